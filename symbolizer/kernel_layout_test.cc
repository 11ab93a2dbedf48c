// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/kernel_layout.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::ElfBuilder;
using testing::TestSymbol;

StatusOr<KernelLayout> LayoutOf(const ElfBuilder& builder) {
  const std::string image = builder.Build();
  const auto bytes = AsBytes(image);
  const auto elf = ElfFile::OpenRelocatable(MakeMemorySource(std::vector<std::byte>(bytes.begin(), bytes.end())));
  KILN_RETURN_IF_ERROR(elf.status());
  return ReadKernelLayout(*elf);
}

ElfBuilder Vmlinux(const std::vector<TestSymbol>& symbols) {
  ElfBuilder builder;
  builder.AddText(0xffffffff81000000, 0x1000);
  builder.AddSymbols(SHT_SYMTAB, symbols);
  return builder;
}

TEST(KernelLayoutTest, TheKernelProperCountsFromItsText) {
  std::vector<TestSymbol> symbols(20'000, {.name = "f", .value = 0xffffffff81000100});
  symbols[3] = {.name = "_text_not", .value = 1};
  symbols[4] = {.name = "not_text", .value = 2};
  symbols[5] = {.name = "_text", .value = 3, .section = SHN_UNDEF};
  symbols[17'000] = {.name = "_text", .value = 0xffffffff81000000, .type = STT_NOTYPE};
  symbols[19'000] = {.name = "_stext", .value = 0xffffffff81000040, .type = STT_NOTYPE};
  const auto layout = LayoutOf(Vmlinux(symbols));
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->text, ElfAddress(0xffffffff81000000));
  EXPECT_EQ(layout->stext, ElfAddress(0xffffffff81000040));
  EXPECT_TRUE(layout->sections.empty());
}

TEST(KernelLayoutTest, AKernelWithoutMarkersHasNone) {
  EXPECT_EQ(LayoutOf(Vmlinux({{.name = "f"}})).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(LayoutOf(ElfBuilder()).status().code(), absl::StatusCode::kNotFound);
}

TEST(KernelLayoutTest, DamagedSymbolTablesAreRefused) {
  ElfBuilder beyond = Vmlinux({{.name = "_text", .value = 1}}), link = beyond, name = beyond, large = beyond;
  const auto symtab = [](std::vector<Elf64_Shdr>& sections) -> Elf64_Shdr& {
    return *std::ranges::find(sections, static_cast<Elf64_Word>(SHT_SYMTAB), &Elf64_Shdr::sh_type);
  };
  beyond.patch_sections = [=](std::vector<Elf64_Shdr>& sections) { symtab(sections).sh_size = 1 << 20; };
  EXPECT_FALSE(LayoutOf(beyond).ok());
  link.patch_sections = [=](std::vector<Elf64_Shdr>& sections) { symtab(sections).sh_link = 99; };
  EXPECT_FALSE(LayoutOf(link).ok());
  large.patch_sections = [=](std::vector<Elf64_Shdr>& sections) { symtab(sections).sh_size = uint64_t{1} << 60; };
  EXPECT_EQ(LayoutOf(large).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(KernelLayoutTest, AModuleCountsFromEachOfItsSections) {
  ElfBuilder builder;
  builder.patch_header = [](Elf64_Ehdr& header) { header.e_type = ET_REL; };
  constexpr uint64_t kCode = SHF_ALLOC | SHF_EXECINSTR;
  builder.Add({.name = ".data", .flags = SHF_ALLOC, .bytes = "data"});
  builder.AddText(0, 0x13);
  builder.AddText(0, 0x20, ".text.unlikely");
  builder.AddText(0, 0, ".empty");
  builder.Add({.name = ".twice", .flags = kCode, .bytes = "1"});
  builder.Add({.name = ".twice", .flags = kCode, .bytes = "2"});
  builder.AddText(0, 0x10, ".exit.text");
  const auto layout = LayoutOf(builder);
  ASSERT_TRUE(layout.ok()) << layout.status();
  ASSERT_EQ(layout->sections.size(), 3u);
  EXPECT_EQ(layout->sections[0].name, ".text");
  EXPECT_EQ(layout->sections[0].start, ElfAddress(0));
  EXPECT_EQ(layout->sections[0].size, 0x13u);
  EXPECT_EQ(layout->sections[1].name, ".text.unlikely");
  EXPECT_EQ(layout->sections[1].start, ElfAddress(0x18));
  EXPECT_EQ(layout->sections[2].name, ".exit.text");
  EXPECT_EQ(layout->sections[2].start, ElfAddress(0x48));
  EXPECT_FALSE(layout->text);
}

}  // namespace
}  // namespace kiln::symbolizer
