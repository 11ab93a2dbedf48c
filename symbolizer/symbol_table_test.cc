// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/symbol_table.h"

#include <gtest/gtest.h>

#include <random>

#include "symbolizer/string_table.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::ElfBuilder;
using testing::LoadSegment;
using testing::TestSymbol;

// A table of `symbols` in a file with .text [0x1000, 0x2000) and .text.unlikely [0x3000, 0x3100).
StatusOr<SymbolTable> TableOf(const std::vector<TestSymbol>& symbols, uint32_t type = SHT_SYMTAB) {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  builder.AddText(0x3000, 0x100, ".text.unlikely");
  builder.Add({.name = ".data", .flags = SHF_ALLOC | SHF_WRITE, .address = 0x5000, .bytes = "data"});
  builder.AddSymbols(type, symbols);
  const StatusOr<ElfFile> elf = builder.Open();
  EXPECT_TRUE(elf.ok()) << elf.status();
  return SymbolTable::Read(*elf);
}

struct Expectation {
  uint64_t address;
  std::string_view name;
};

void ExpectNames(const StatusOr<SymbolTable>& table, const std::vector<Expectation>& expectations) {
  ASSERT_TRUE(table.ok()) << table.status();
  for (const Expectation& e : expectations) {
    EXPECT_EQ(table->LookupRaw(ElfAddress(e.address)), e.name) << std::hex << e.address;
  }
}

TEST(SymbolTableTest, NamesExactlyTheBytesOfAFunction) {
  const auto table = TableOf({{.name = "foo", .value = 0x1100, .size = 0x10}});
  ExpectNames(table, {{0x10ff, ""}, {0x1100, "foo"}, {0x110f, "foo"}, {0x1110, ""}, {0, ""}, {UINT64_MAX, ""}});
  EXPECT_EQ(table->size(), 1u);
}

TEST(SymbolTableTest, GivesLinesAndReasons) {
  const auto table = TableOf({{.name = "_Z3fooi", .value = 0x1100, .size = 0x10}});
  ASSERT_TRUE(table.ok());
  const Naming found = table->Lookup(ElfAddress(0x1108));
  EXPECT_EQ(found.miss, Miss::kNone);
  EXPECT_EQ(found.lines, (std::vector<SourceLine>{{.name = "foo(int)", .system_name = "_Z3fooi"}}));
  EXPECT_EQ(table->Lookup(ElfAddress(0x1800)).miss, Miss::kNotCovered);
  EXPECT_TRUE(table->Lookup(ElfAddress(0x1800)).lines.empty());
}

TEST(SymbolTableTest, SaysThatAFileIsStripped) {
  const auto empty = TableOf({});
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->Lookup(ElfAddress(0x1100)).miss, Miss::kNoSymbols);
  EXPECT_EQ(empty->size(), 0u);

  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  const StatusOr<ElfFile> elf = builder.Open();
  EXPECT_EQ(SymbolTable::Read(*elf)->Lookup(ElfAddress(0x1100)).miss, Miss::kNoSymbols);
}

TEST(SymbolTableTest, TakesFunctionsOnly) {
  const auto table = TableOf({
      {.name = "function", .value = 0x1000, .size = 8},
      {.name = "resolver", .value = 0x1010, .size = 8, .type = STT_GNU_IFUNC},
      {.name = "assembly", .value = 0x1020, .size = 8, .type = STT_NOTYPE},
      {.name = "unique", .value = 0x1030, .size = 8, .binding = STB_GNU_UNIQUE},
      {.name = "object", .value = 0x1040, .size = 8, .type = STT_OBJECT},
      {.name = "section", .value = 0x1050, .size = 8, .type = STT_SECTION},
      {.name = "file", .value = 0x1060, .size = 8, .type = STT_FILE},
      {.name = "tls", .value = 0x1070, .size = 8, .type = STT_TLS},
      {.name = "undefined", .value = 0x1080, .size = 8, .section = SHN_UNDEF},
      {.name = "absolute", .value = 0x1090, .size = 8, .section = SHN_ABS},
      {.name = "common", .value = 0x10a0, .size = 8, .section = SHN_COMMON},
      {.name = "", .value = 0x10b0, .size = 8},
      {.name = "in_data", .value = 0x5000, .size = 4},
      {.name = "nowhere", .value = 0x9000, .size = 4},
  });
  ExpectNames(table, {{0x1000, "function"}, {0x1010, "resolver"}, {0x1020, "assembly"}, {0x1030, "unique"}});
  EXPECT_EQ(table->size(), 4u);
}

TEST(SymbolTableTest, DropsMarksAndLabels) {
  const auto table = TableOf({
      {.name = "assembly", .value = 0x1000, .type = STT_NOTYPE},
      {.name = "$x", .value = 0x1010, .type = STT_NOTYPE, .binding = STB_LOCAL},
      {.name = "$d.17", .value = 0x1020, .type = STT_NOTYPE, .binding = STB_LOCAL},
      {.name = ".Lloop", .value = 0x1030, .type = STT_NOTYPE, .binding = STB_LOCAL},
      {.name = ".annobin_a.c", .value = 0x1040, .type = STT_NOTYPE, .binding = STB_LOCAL},
      {.name = "assembly.loop", .value = 0x1050, .type = STT_NOTYPE, .binding = STB_LOCAL},  // NASM
      {.name = "assembly.exported", .value = 0x1060, .type = STT_NOTYPE},
      {.name = "assembly2", .value = 0x1070, .type = STT_NOTYPE, .binding = STB_LOCAL},
      {.name = "$dollar", .value = 0x1080, .type = STT_NOTYPE},
  });
  ExpectNames(table, {{0x105f, "assembly"}, {0x1060, "assembly.exported"}, {0x1070, "assembly2"}, {0x1080, "$dollar"}});
}

TEST(SymbolTableTest, ASizedFunctionKeepsTheLabelsInIt) {
  const auto table = TableOf({
      {.name = "sized", .value = 0x1000, .size = 0x40},
      {.name = "label", .value = 0x1010, .type = STT_NOTYPE},
      {.name = "second_entry", .value = 0x1020},
      {.name = "behind", .value = 0x1040, .type = STT_NOTYPE},
  });
  ExpectNames(table, {{0x1010, "sized"}, {0x1020, "second_entry"}, {0x1040, "behind"}});
}

TEST(SymbolTableTest, WhatOthersCanNameInATableOfCodeIsAFunction) {
  const auto table = TableOf({
      {.name = "table", .value = 0x1000, .size = 0x40, .type = STT_NOTYPE},
      {.name = "first", .value = 0x1000, .type = STT_NOTYPE},
      {.name = "second", .value = 0x1010, .type = STT_NOTYPE},
      {.name = "label", .value = 0x1020, .type = STT_NOTYPE, .binding = STB_LOCAL},
      {.name = "third", .value = 0x1030, .type = STT_NOTYPE, .binding = STB_WEAK},
  });
  ExpectNames(table, {{0x100f, "table"}, {0x1010, "second"}, {0x1020, "second"}, {0x1030, "third"}});
}

TEST(SymbolTableTest, SymbolsWithoutSizeReachToTheNextOneOrTheEndOfTheirSection) {
  const auto table = TableOf({
      {.name = "first", .value = 0x1000},
      {.name = "second", .value = 0x1100},
      {.name = "sized", .value = 0x1200, .size = 0x10},
      {.name = "last", .value = 0x1f00},
      {.name = "unlikely", .value = 0x3000},
  });
  ExpectNames(table, {{0x10ff, "first"},
                      {0x1100, "second"},
                      {0x11ff, "second"},
                      {0x1200, "sized"},
                      {0x1210, ""},
                      {0x1fff, "last"},
                      {0x2000, ""},
                      {0x30ff, "unlikely"},
                      {0x3100, ""}});
}

TEST(SymbolTableTest, NoSymbolReachesBeyondItsSection) {
  const auto table = TableOf({
      {.name = "long", .value = 0x1ff0, .size = 0x10000},
      {.name = "endless", .value = 0x3000, .size = UINT64_MAX},
  });
  ExpectNames(table, {{0x1fff, "long"}, {0x2000, ""}, {0x30ff, "endless"}, {0x3100, ""}, {UINT64_MAX, ""}});
}

TEST(SymbolTableTest, TheNearestOfNestedAndOverlappingSymbolsCounts) {
  const auto table = TableOf({
      {.name = "outer", .value = 0x1000, .size = 0x100},
      {.name = "inner", .value = 0x1040, .size = 0x10},
      {.name = "innermost", .value = 0x1044, .size = 4},
      {.name = "overlapping", .value = 0x10f0, .size = 0x20},
      {.name = "short_alias", .value = 0x1000, .size = 0x10},
  });
  ExpectNames(table, {{0x1000, "outer"},
                      {0x103f, "outer"},
                      {0x1040, "inner"},
                      {0x1044, "innermost"},
                      {0x1048, "inner"},
                      {0x1050, "outer"},
                      {0x10f0, "overlapping"},
                      {0x110f, "overlapping"},
                      {0x1110, ""}});
}

TEST(SymbolTableTest, ChoosesAmongAliasesByRule) {
  const struct {
    std::string what;
    TestSymbol better;
    TestSymbol worse;
  } kCases[] = {
      {"sized", {.name = "z", .size = 8, .type = STT_NOTYPE, .binding = STB_LOCAL}, {.name = "a"}},
      {"function", {.name = "z", .size = 8, .binding = STB_LOCAL}, {.name = "a", .size = 8, .type = STT_NOTYPE}},
      {"ifunc is a function", {.name = "a", .size = 8, .type = STT_GNU_IFUNC}, {.name = "b", .size = 8}},
      {"global", {.name = "z", .size = 8}, {.name = "a", .size = 8, .binding = STB_WEAK}},
      {"weak", {.name = "z", .size = 8, .binding = STB_WEAK}, {.name = "a", .size = 8, .binding = STB_LOCAL}},
      {"underscores", {.name = "read", .size = 8}, {.name = "__read", .size = 8}},
      {"fewer underscores", {.name = "_z", .size = 8}, {.name = "__a", .size = 8}},
      {"name", {.name = "read", .size = 8}, {.name = "read@@V1", .size = 8}},
      {"name order", {.name = "abc", .size = 8}, {.name = "abd", .size = 8}},
  };
  for (const auto& c : kCases) {
    TestSymbol better = c.better;
    TestSymbol worse = c.worse;
    better.value = worse.value = 0x1000;
    for (const auto& symbols : {std::vector{better, worse}, std::vector{worse, better}}) {
      const auto table = TableOf(symbols);
      ASSERT_TRUE(table.ok()) << c.what;
      EXPECT_EQ(table->LookupRaw(ElfAddress(0x1004)), c.better.name) << c.what;
      EXPECT_EQ(table->size(), 1u) << c.what;
    }
  }
}

TEST(SymbolTableTest, AnAliasWithoutSizeDoesNotNameThePaddingBehind) {
  const auto table = TableOf({{.name = "foo", .value = 0x1000, .size = 8}, {.name = "label", .value = 0x1000}});
  ExpectNames(table, {{0x1007, "foo"}, {0x1008, ""}});
}

// All kinds of symbols on a few addresses, so that they meet in all ways.
std::vector<TestSymbol> RandomSymbols(std::mt19937& random) {
  static constexpr std::string_view kNames[] = {"a",  "b",  "_a",  "__b", "fun", "fun.label", "fun.label.two", "a.b",
                                                "$x", "$d", ".Lx", "z",   "zz",  "",          "very_long_name"};
  const auto upto = [&random](uint32_t limit) { return random() % limit; };
  std::vector<TestSymbol> symbols(1 + upto(30));
  for (TestSymbol& symbol : symbols) {
    symbol.name = kNames[upto(std::size(kNames))];
    symbol.value = (upto(4) == 0 ? 0x3000 : 0x1000) + upto(64);
    symbol.size = upto(3) == 0 ? 0 : upto(40);
    symbol.type = upto(3) == 0 ? STT_NOTYPE : STT_FUNC;
    symbol.binding = upto(3);
  }
  return symbols;
}

TEST(SymbolTableTest, SaysOfSomeAddressesWhatTheWholeTableSays) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    ElfBuilder builder;
    builder.AddText(0x1000, 0x60);
    builder.AddText(0x3000, 0x30, ".text.unlikely");
    const std::vector<TestSymbol> first = RandomSymbols(random), second = RandomSymbols(random);
    builder.AddSymbols(SHT_SYMTAB, first);
    if (round % 2 == 0) builder.AddSymbols(SHT_DYNSYM, second);
    const StatusOr<ElfFile> elf = builder.Open();
    ASSERT_TRUE(elf.ok()) << elf.status();
    const StatusOr<SymbolTable> whole = SymbolTable::Read(*elf);
    ASSERT_TRUE(whole.ok()) << whole.status();
    std::vector<uint64_t> addresses;
    for (const uint64_t start : {0xff0, 0x2ff0}) {
      for (uint64_t address = start; address < start + 0x90; ++address) {
        if (round % 3 == 0 || random() % 16 == 0) addresses.push_back(address);
      }
    }
    const StatusOr<SymbolTable> some = SymbolTable::ReadFor(*elf, addresses);
    ASSERT_TRUE(some.ok()) << some.status();
    for (const uint64_t address : addresses) {
      ASSERT_EQ(some->LookupRaw(ElfAddress(address)), whole->LookupRaw(ElfAddress(address)))
          << "round " << round << " address " << std::hex << address;
    }
  }
}

TEST(SymbolTableTest, TellsAStrippedFileFromAnAddressWithoutSymbol) {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  builder.AddSymbols(SHT_SYMTAB, {{.name = "foo", .value = 0x1100, .size = 0x10}});
  const uint64_t beyond[] = {0x1800};
  EXPECT_EQ(SymbolTable::ReadFor(*builder.Open(), beyond)->Lookup(ElfAddress(0x1800)).miss, Miss::kNotCovered);
  EXPECT_EQ(SymbolTable::ReadFor(*builder.Open(), {})->size(), 0u);
  ElfBuilder stripped;
  stripped.AddText(0x1000, 0x1000);
  EXPECT_EQ(SymbolTable::ReadFor(*stripped.Open(), beyond)->Lookup(ElfAddress(0x1800)).miss, Miss::kNoSymbols);
}

TEST(SymbolTableTest, MergesBothTables) {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  builder.AddSymbols(SHT_DYNSYM, {{.name = "exported", .value = 0x1000, .size = 8},
                                  {.name = "only_dynamic", .value = 0x1100, .size = 8}});
  builder.AddSymbols(SHT_SYMTAB, {{.name = "exported", .value = 0x1000, .size = 8},
                                  {.name = "local", .value = 0x1200, .size = 8, .binding = STB_LOCAL}});
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok());
  const auto table = SymbolTable::Read(*elf);
  ExpectNames(table, {{0x1000, "exported"}, {0x1100, "only_dynamic"}, {0x1200, "local"}});
  EXPECT_EQ(table->size(), 3u);
}

TEST(SymbolTableTest, UsesSegmentsWhereThereAreNoExecutableSections) {
  ElfBuilder builder;
  builder.AddSegment(LoadSegment(0, 0x1000, 0x100, PF_R | PF_X));
  builder.AddSymbols(SHT_SYMTAB, {{.name = "foo", .value = 0x1080}, {.name = "outside", .value = 0x2000, .size = 8}});
  const auto table = SymbolTable::Read(*builder.Open());
  ExpectNames(table, {{0x1080, "foo"}, {0x10ff, "foo"}, {0x1100, ""}, {0x2000, ""}});
}

TEST(SymbolTableTest, SharesNamesThatAreTailsOfOthers) {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  builder.patch_symbols = [](std::vector<Elf64_Sym>& s) { s[2].st_name = s[1].st_name + 3; };
  builder.AddSymbols(SHT_SYMTAB,
                     {{.name = "foobar", .value = 0x1000, .size = 8}, {.name = "x", .value = 0x1010, .size = 8}});
  const auto table = SymbolTable::Read(*builder.Open());
  ExpectNames(table, {{0x1000, "foobar"}, {0x1010, "bar"}});
}

TEST(SymbolTableTest, DropsSymbolsWhoseNameIsDamaged) {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  builder.patch_symbols = [](std::vector<Elf64_Sym>& s) {
    s[1].st_name = 0x7fffffff;
    s[2].st_name = UINT32_MAX;
  };
  const uint32_t index = builder.AddSymbols(SHT_SYMTAB, {{.name = "a", .value = 0x1000, .size = 8},
                                                         {.name = "b", .value = 0x1010, .size = 8},
                                                         {.name = "good", .value = 0x1020, .size = 8},
                                                         {.name = "unterminated", .value = 0x1030, .size = 8}});
  builder.patch_sections = [&](std::vector<Elf64_Shdr>& s) { s[s[index].sh_link].sh_size -= 1; };
  const auto table = SymbolTable::Read(*builder.Open());
  ExpectNames(table, {{0x1000, ""}, {0x1010, ""}, {0x1020, "good"}, {0x1030, ""}});
}

TEST(SymbolTableTest, NamesBeyondTheLimitAreDropped) {
  const auto table = TableOf({{.name = std::string(kMaxSymbolNameBytes, 'x'), .value = 0x1000, .size = 8},
                              {.name = std::string(kMaxSymbolNameBytes + 1, 'y'), .value = 0x1010, .size = 8},
                              {.name = "good", .value = 0x1020, .size = 8}});
  ExpectNames(table, {{0x1000, std::string(kMaxSymbolNameBytes, 'x')}, {0x1010, ""}, {0x1020, "good"}});
}

// Many names that begin at each byte of one long string: neither the pool nor the time may grow with the square.
TEST(SymbolTableTest, OverlappingNamesCostTheStringOnce) {
  constexpr uint32_t kCount = 60'000;
  ElfBuilder builder;
  builder.AddText(0x100000, 16 * kCount);
  std::vector<TestSymbol> symbols = {{.name = std::string(kCount, 'x'), .value = 0x100000, .size = 8}};
  for (uint32_t i = 1; i < kCount; ++i) symbols.push_back({.name = "", .value = 0x100000 + 16 * i, .size = 8});
  builder.patch_symbols = [](std::vector<Elf64_Sym>& s) {
    for (uint32_t i = 2; i < s.size(); ++i) s[i].st_name = i;
  };
  builder.AddSymbols(SHT_SYMTAB, symbols);
  const auto table = SymbolTable::Read(*builder.Open());
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->size(), kCount);
  EXPECT_LT(table->memory_bytes(), 4 * kCount * 12);
  EXPECT_EQ(table->LookupRaw(ElfAddress(0x100010)).size(), kCount - 1);
}

TEST(SymbolTableTest, DamagedTablesAreErrors) {
  const struct {
    std::string what;
    std::function<void(std::vector<Elf64_Shdr>&, uint32_t)> patch;
    Miss miss;
  } kCases[] = {
      {"entries of another size", [](auto& s, uint32_t i) { s[i].sh_entsize = 16; }, Miss::kDamaged},
      {"entries of no size", [](auto& s, uint32_t i) { s[i].sh_entsize = 0; }, Miss::kDamaged},
      {"beyond the end of the file", [](auto& s, uint32_t i) { s[i].sh_offset = 1 << 30; }, Miss::kDamaged},
      {"no string table", [](auto& s, uint32_t i) { s[i].sh_link = 0; }, Miss::kDamaged},
      {"string table that is none", [](auto& s, uint32_t i) { s[i].sh_link = i; }, Miss::kDamaged},
      {"string table that does not exist", [](auto& s, uint32_t i) { s[i].sh_link = 9999; }, Miss::kDamaged},
      {"string table beyond the end", [](auto& s, uint32_t i) { s[s[i].sh_link].sh_offset = 1 << 30; }, Miss::kDamaged},
      {"compressed", [](auto& s, uint32_t i) { s[i].sh_flags = SHF_COMPRESSED; }, Miss::kWrongClass},
      {"too large", [](auto& s, uint32_t i) { s[i].sh_size = kMaxSymbolTableBytes + 24; }, Miss::kTooLarge},
      {"string table too large", [](auto& s, uint32_t i) { s[s[i].sh_link].sh_size = kMaxStringTableBytes + 1; },
       Miss::kTooLarge},
  };
  for (const auto& c : kCases) {
    ElfBuilder builder;
    builder.AddText(0x1000, 0x1000);
    const uint32_t index = builder.AddSymbols(SHT_SYMTAB, {{.name = "foo", .value = 0x1000, .size = 8}});
    builder.patch_sections = [&](std::vector<Elf64_Shdr>& s) { c.patch(s, index); };
    const auto table = SymbolTable::Read(*builder.Open());
    ASSERT_FALSE(table.ok()) << c.what;
    EXPECT_EQ(MissFromStatus(table.status()), c.miss) << c.what << ": " << table.status();
  }
}

TEST(SymbolTableTest, OneDamagedTableLeavesTheOther) {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  const uint32_t index = builder.AddSymbols(SHT_SYMTAB, {{.name = "foo", .value = 0x1000, .size = 8}});
  builder.AddSymbols(SHT_DYNSYM, {{.name = "bar", .value = 0x1100, .size = 8}});
  builder.patch_sections = [&](std::vector<Elf64_Shdr>& s) { s[index].sh_offset = 1 << 30; };
  ExpectNames(SymbolTable::Read(*builder.Open()), {{0x1000, ""}, {0x1100, "bar"}});
}

// Several files that complete each other.

StatusOr<SymbolTable> TableOf(const SymbolSources& sources) { return SymbolTable::Read(sources); }

TEST(SymbolTableTest, MergesFilesThatCompleteEachOther) {
  ElfBuilder program, debug;
  program.AddText(0x1000, 0x1000);
  program.AddSymbols(SHT_DYNSYM, {{.name = "exported", .value = 0x1000, .size = 8}});
  debug.AddText(0x1000, 0x1000);  // as objcopy --only-keep-debug leaves it: an address without content
  debug.AddSymbols(SHT_SYMTAB, {{.name = "__exported", .value = 0x1000, .size = 8, .binding = STB_LOCAL},
                                {.name = "local", .value = 0x1100, .size = 8, .binding = STB_LOCAL}});
  const StatusOr<ElfFile> one = program.Open(), two = debug.Open();
  const ElfFile* const files[] = {&*one, &*two};
  ExpectNames(TableOf({.files = files}), {{0x1000, "exported"}, {0x1100, "local"}});
  const uint64_t addresses[] = {0x1000, 0x1100};
  ExpectNames(SymbolTable::ReadFor({.files = files}, addresses), {{0x1000, "exported"}, {0x1100, "local"}});
}

TEST(SymbolTableTest, TakesTheAddressesOfCodeFromTheFirstFileThatHasSections) {
  ElfBuilder program, debug;
  program.AddSegment(LoadSegment(0, 0x1000, 0x2000, PF_R | PF_X));
  program.patch_header = [](Elf64_Ehdr& header) { header.e_shoff = header.e_shnum = header.e_shstrndx = 0; };
  debug.AddText(0x1000, 0x100);
  debug.AddSymbols(SHT_SYMTAB, {{.name = "sizeless", .value = 0x1080}});
  const StatusOr<ElfFile> one = program.Open(), two = debug.Open();
  const ElfFile* const files[] = {&*one, &*two};
  ExpectNames(TableOf({.files = files}), {{0x10ff, "sizeless"}, {0x1100, ""}});
}

TEST(SymbolTableTest, ADamagedFileLeavesTheOther) {
  ElfBuilder program, debug;
  program.AddText(0x1000, 0x1000);
  program.AddSymbols(SHT_DYNSYM, {{.name = "exported", .value = 0x1000, .size = 8}});
  const uint32_t index = debug.AddSymbols(SHT_SYMTAB, {{.name = "local", .value = 0x1100, .size = 8}});
  debug.patch_sections = [&](std::vector<Elf64_Shdr>& s) { s[index].sh_offset = 1 << 30; };
  const StatusOr<ElfFile> one = program.Open(), two = debug.Open();
  const ElfFile* const files[] = {&*one, &*two};
  ExpectNames(TableOf({.files = files}), {{0x1000, "exported"}, {0x1100, ""}});
}

TEST(SymbolTableTest, AStubOfThePltIsALocalFunction) {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x100, ".plt");
  builder.AddSymbols(SHT_SYMTAB, {{.name = "known", .value = 0x1020, .size = 0x10, .binding = STB_WEAK},
                                  {.name = "label", .value = 0x1010, .type = STT_NOTYPE}});
  const StatusOr<ElfFile> elf = builder.Open();
  const ElfFile* const files[] = {&*elf};
  const std::vector<PltStub> stubs = {{.address = ElfAddress(0x1010), .size = 0x10, .name = "puts@plt"},
                                      {.address = ElfAddress(0x1020), .size = 0x10, .name = "exit@plt"},
                                      {.address = ElfAddress(0x9000), .size = 0x10, .name = "nowhere@plt"}};
  const std::vector<Expectation> expected = {{0x100f, ""},      {0x1010, "puts@plt"}, {0x101f, "puts@plt"},
                                             {0x1020, "known"}, {0x1030, ""},         {0x9000, ""}};
  ExpectNames(TableOf({.files = files, .stubs = stubs}), expected);
  std::vector<uint64_t> addresses;
  for (const Expectation& e : expected) addresses.push_back(e.address);
  ExpectNames(SymbolTable::ReadFor({.files = files, .stubs = stubs}, addresses), expected);
}

TEST(SymbolTableTest, StubsAloneDoNotMakeAStrippedFileAnother) {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x100, ".plt");
  const StatusOr<ElfFile> elf = builder.Open();
  const ElfFile* const files[] = {&*elf};
  const std::vector<PltStub> stubs = {{.address = ElfAddress(0x1010), .size = 0x10, .name = "puts@plt"}};
  const auto table = TableOf({.files = files, .stubs = stubs});
  EXPECT_EQ(table->Lookup(ElfAddress(0x1010)).lines.front().name, "puts@plt");
  EXPECT_EQ(table->Lookup(ElfAddress(0x1020)).miss, Miss::kNoSymbols);
}

TEST(SymbolTableTest, SymbolsOfARelocatableFileCountFromTheirSection) {
  ElfBuilder builder;
  builder.patch_header = [](Elf64_Ehdr& header) { header.e_type = ET_REL; };
  const auto text = [&builder](const std::string& name, size_t bytes) {
    return static_cast<uint16_t>(
        builder.Add({.name = name, .flags = SHF_ALLOC | SHF_EXECINSTR, .bytes = std::string(bytes, 'x')}));
  };
  const uint16_t data = builder.Add({.name = ".data", .flags = SHF_ALLOC | SHF_WRITE, .bytes = "1234"});
  const uint16_t first = text(".text", 0x21);
  const uint16_t second = text(".init.text", 0x10);
  builder.AddSymbols(SHT_SYMTAB, {{.name = "start", .value = 0, .size = 0x10, .section = first},
                                  {.name = "sizeless", .value = 0x10, .section = first},
                                  {.name = "end", .value = 0x21, .section = first},
                                  {.name = "init", .value = 4, .size = 0x100, .section = second},
                                  {.name = "object", .value = 0, .size = 4, .section = data},
                                  {.name = "elsewhere", .value = 0, .size = 4, .section = 0x7777},
                                  {.name = "far", .value = UINT64_MAX - 4, .size = 4, .section = second}});
  const std::string image = builder.Build();
  const auto bytes = AsBytes(image);
  const StatusOr<ElfFile> elf =
      ElfFile::OpenRelocatable(MakeMemorySource(std::vector<std::byte>(bytes.begin(), bytes.end())));
  ASSERT_TRUE(elf.ok()) << elf.status();
  // Aligned to 8: .init.text is at 0x28.
  ExpectNames(SymbolTable::Read(*elf), {{0, "start"},
                                        {0x10, "sizeless"},
                                        {0x20, "sizeless"},
                                        {0x21, ""},
                                        {0x28, ""},
                                        {0x2c, "init"},
                                        {0x37, "init"},
                                        {0x38, ""}});
}

TEST(SymbolTableTest, RelocatableFilesMayHaveMoreSectionsThanSymbolsCanCount) {
  constexpr uint32_t kFunctions = 66'000;
  ElfBuilder builder;
  for (uint32_t i = 0; i < kFunctions; ++i) {
    builder.Add({.name = "", .type = SHT_NOBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .size = 8});
  }
  const uint32_t symbols =
      builder.AddSymbols(SHT_SYMTAB, {{.name = "low", .value = 0, .size = 8, .section = 100},
                                      {.name = "high", .value = 0, .size = 8, .section = SHN_XINDEX}});
  const uint32_t numbers[] = {0, 0, 65'900};
  builder.Add({.name = ".symtab_shndx",
               .type = SHT_SYMTAB_SHNDX,
               .bytes = std::string(AsText(std::as_bytes(std::span(numbers)))),
               .link = symbols,
               .entry_size = 4});
  const uint64_t count = kFunctions + 5;
  builder.patch_sections = [&](std::vector<Elf64_Shdr>& s) {
    s[0].sh_size = count;
    s[0].sh_link = static_cast<uint32_t>(count - 1);
  };
  builder.patch_header = [](Elf64_Ehdr& header) {
    header.e_type = ET_REL;
    header.e_shnum = 0;
    header.e_shstrndx = SHN_XINDEX;
  };
  const std::string image = builder.Build();
  const auto bytes = AsBytes(image);
  const StatusOr<ElfFile> elf =
      ElfFile::OpenRelocatable(MakeMemorySource(std::vector<std::byte>(bytes.begin(), bytes.end())));
  ASSERT_TRUE(elf.ok()) << elf.status();
  ASSERT_EQ(elf->sections().size(), count);
  ExpectNames(SymbolTable::Read(*elf), {{99 * 8, "low"}, {65'899 * 8, "high"}, {100 * 8, ""}});
}

}  // namespace
}  // namespace kiln::symbolizer
