// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dynamic_section.h"

#include <gtest/gtest.h>

#include "symbolizer/symbol_table.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::ElfBuilder;

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(AsText(std::as_bytes(std::span(values))));
}

struct Dynamic {
  std::vector<uint32_t> hash;      // DT_HASH; empty = none
  std::vector<uint32_t> gnu_hash;  // DT_GNU_HASH; empty = none
  uint64_t names_size = 11;
};

// A file without section headers, with the symbols "first" and "last" of functions at 0x4000 and 0x4010.
StatusOr<ElfFile> FileWith(const Dynamic& dynamic) {
  constexpr uint64_t kSymbols = 0x1000, kNames = 0x1048, kHash = 0x1100, kGnuHash = 0x1200, kDynamic = 0x1300;
  std::string image = Bytes(std::vector<Elf64_Sym>{
      {},
      {.st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1, .st_value = 0x4000, .st_size = 8},
      {.st_name = 7, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1, .st_value = 0x4010, .st_size = 8}});
  image += std::string("\0first\0last", 12);
  image.resize(kHash - kSymbols);
  image += Bytes(dynamic.hash);
  image.resize(kGnuHash - kSymbols);
  image += Bytes(dynamic.gnu_hash);
  image.resize(kDynamic - kSymbols);
  std::vector<uint64_t> entries = {DT_SYMTAB, kSymbols, DT_STRTAB, kNames, DT_STRSZ, dynamic.names_size};
  if (!dynamic.hash.empty()) entries.insert(entries.end(), {DT_HASH, kHash});
  if (!dynamic.gnu_hash.empty()) entries.insert(entries.end(), {DT_GNU_HASH, kGnuHash});
  entries.insert(entries.end(), {DT_NULL, 0, DT_STRSZ, 1});
  image += Bytes(entries);
  ElfBuilder builder;
  builder.AddLoadedBytes(kSymbols, image, PF_R);
  builder.AddSegment({.p_type = PT_DYNAMIC,
                      .p_flags = PF_R,
                      .p_offset = 0,
                      .p_vaddr = kDynamic,
                      .p_paddr = kDynamic,
                      .p_filesz = entries.size() * 8,
                      .p_memsz = entries.size() * 8,
                      .p_align = 8});
  builder.AddSegment(testing::LoadSegment(0, 0x4000, 0x100, PF_R | PF_X));
  builder.patch_header = [](Elf64_Ehdr& header) { header.e_shoff = header.e_shnum = header.e_shstrndx = 0; };
  return builder.Open();
}

uint64_t CountOf(const Dynamic& dynamic) {
  const StatusOr<ElfFile> elf = FileWith(dynamic);
  EXPECT_TRUE(elf.ok()) << elf.status();
  const DynamicSection section = ReadDynamicSection(*elf);
  return section.symbols ? section.symbols->symbols.size / sizeof(Elf64_Sym) : 0;
}

// Header (buckets, first symbol, words of the filter, shift), filter, buckets, chains.
const std::vector<uint32_t> kGnuHash = {2, 1, 1, 0, 0, 0, 1, 2, 0x11, 0x13};

TEST(DynamicSectionTest, CountsSymbolsByEitherHashTable) {
  EXPECT_EQ(CountOf({.hash = {1, 3}}), 3u);
  EXPECT_EQ(CountOf({.gnu_hash = kGnuHash}), 3u);
  EXPECT_EQ(CountOf({.gnu_hash = {1, 1, 1, 0, 0, 0, 0}}), 3u) << "an empty table: up to the names";
  EXPECT_EQ(CountOf({}), 3u);
}

TEST(DynamicSectionTest, IsNotMisledByHashTables) {
  EXPECT_GT(CountOf({.hash = {1, UINT32_MAX}}), 3u) << "cut at the end of the segment";
  EXPECT_LT(CountOf({.hash = {1, UINT32_MAX}}), 0x1000u);
  EXPECT_EQ(CountOf({.gnu_hash = {UINT32_MAX, 1, 1, 0}}), 3u);
  EXPECT_EQ(CountOf({.gnu_hash = {1, 1, UINT32_MAX, 0}}), 3u);
  EXPECT_EQ(CountOf({.gnu_hash = {1, 1, 1, 0, 0, 0, UINT32_MAX}}), 3u);
  EXPECT_EQ(CountOf({.hash = {1, 3}, .names_size = 0}), 0u);
  EXPECT_EQ(CountOf({.hash = {1, 3}, .names_size = UINT64_MAX}), 0u);
}

TEST(DynamicSectionTest, GivesTheSymbolTableItsNames) {
  const StatusOr<ElfFile> elf = FileWith({.gnu_hash = kGnuHash, .names_size = 12});
  const StatusOr<SymbolTable> table = SymbolTable::Read(*elf);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->LookupRaw(ElfAddress(0x4004)), "first");
  EXPECT_EQ(table->LookupRaw(ElfAddress(0x4010)), "last");
  EXPECT_EQ(table->size(), 2u);
}

}  // namespace
}  // namespace kiln::symbolizer
