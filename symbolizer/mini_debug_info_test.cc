// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/mini_debug_info.h"

#include <gtest/gtest.h>
#include <lzma.h>

#include "symbolizer/symbol_table.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::ElfBuilder;

std::string Xz(const std::string& text, uint32_t preset = 6) {
  std::string packed(::lzma_stream_buffer_bound(text.size()), '\0');
  size_t size = 0;
  EXPECT_EQ(::lzma_easy_buffer_encode(preset, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(text.data()),
                                      text.size(), reinterpret_cast<uint8_t*>(packed.data()), &size, packed.size()),
            LZMA_OK);
  packed.resize(size);
  return packed;
}

ElfBuilder Symbols() {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  builder.AddSymbols(SHT_SYMTAB, {{.name = "local", .value = 0x1100, .size = 8, .binding = STB_LOCAL}});
  return builder;
}

ElfBuilder ProgramWith(const std::string& section) {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  builder.AddSymbols(SHT_DYNSYM, {{.name = "exported", .value = 0x1000, .size = 8}});
  builder.Add({.name = ".gnu_debugdata", .bytes = section});
  return builder;
}

absl::StatusCode CodeOf(const std::string& section) {
  return ReadMiniDebugInfo(*ProgramWith(section).Open()).status().code();
}

TEST(MiniDebugInfoTest, CompletesTheDynamicSymbols) {
  const StatusOr<ElfFile> elf = ProgramWith(Xz(Symbols().Build())).Open();
  const auto inner = ReadMiniDebugInfo(*elf);
  ASSERT_TRUE(inner.ok()) << inner.status();
  ASSERT_TRUE(*inner);
  const ElfFile* const files[] = {&*elf, &**inner};
  const StatusOr<SymbolTable> table = SymbolTable::Read({.files = files});
  EXPECT_EQ(table->LookupRaw(ElfAddress(0x1000)), "exported");
  EXPECT_EQ(table->LookupRaw(ElfAddress(0x1100)), "local");
}

TEST(MiniDebugInfoTest, IsAbsentWithoutItsSection) {
  const auto inner = ReadMiniDebugInfo(*Symbols().Open());
  ASSERT_TRUE(inner.ok());
  EXPECT_FALSE(*inner);
}

TEST(MiniDebugInfoTest, RefusesWhatIsDamaged) {
  const std::string packed = Xz(Symbols().Build());
  EXPECT_EQ(CodeOf("noise"), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(""), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(Xz("text")), absl::StatusCode::kDataLoss) << "no ELF file";
  for (size_t size = 0; size < packed.size(); size += 7) {
    EXPECT_EQ(CodeOf(packed.substr(0, size)), absl::StatusCode::kDataLoss) << size;
  }
  std::string flipped = packed;
  flipped[packed.size() / 2] ^= 1;
  EXPECT_EQ(CodeOf(flipped), absl::StatusCode::kDataLoss);
  ElfBuilder other = Symbols();
  other.patch_header = [](Elf64_Ehdr& header) { header.e_machine = EM_AARCH64; };
  EXPECT_EQ(CodeOf(Xz(other.Build())), absl::StatusCode::kDataLoss) << "another machine";
}

TEST(MiniDebugInfoTest, StopsAtTheLimits) {
  const std::string zeros(kMaxMiniDebugInfoBytes + 1, '\0');
  const std::string bomb = Xz(zeros, 0);
  EXPECT_LT(bomb.size(), 64 * 1024u);
  EXPECT_EQ(CodeOf(bomb), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(Xz("text", 9)), absl::StatusCode::kResourceExhausted) << "a dictionary of 64 MiB";
}

}  // namespace
}  // namespace kiln::symbolizer
