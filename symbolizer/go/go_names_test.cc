// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/go/go_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "symbolizer/testing/elf_builder.h"
#include "symbolizer/testing/pclntab_builder.h"

namespace kiln::symbolizer {
namespace {

using ::testing::ElementsAre;
using testing::ElfBuilder;
using testing::PclntabBuilder;

constexpr uint64_t kText = 0x401000;
constexpr uint64_t kTable = 0x500000;
constexpr uint64_t kTrees = 0x600000;
constexpr uint64_t kModule = 0x700000;

// main.work: one line of its own, then main.outer inlined with main.inner in it, then its own again.
PclntabBuilder SmallTable() {
  return {.code_bytes = 0x80,
          .functions = {{.name = "runtime.goexit", .code = 0, .depths = {{0, 0x20}}},
                        {.name = "main.work",
                         .code = 0x20,
                         .depths = {{0, 0x40}},
                         .files = {{1, 0x10}, {0, 0x20}, {1, 0x08}},
                         .lines = {{10, 0x10}, {100, 0x10}, {201, 0x10}, {12, 0x08}},
                         .inlined = {{-1, 0x10}, {1, 0x10}, {0, 0x10}, {-1, 0x08}},
                         .calls = {{.name = "lib.(*T[...]).outer", .caller_code = 0x30, .start_line = 200},
                                   {.name = "lib.inner", .caller_code = 0x20, .start_line = 99}},
                         .start_line = 9},
                        {.name = "runtime.goexit1", .code = 0x60, .depths = {{0, 0x20}}}},
          .files = {"/lib/lib.go", "/main/main.go"},
          .trees_address = kTrees};
}

ElfBuilder Program(const PclntabBuilder& table, const std::string& trees, const std::string& module) {
  ElfBuilder builder;
  builder.AddLoadedBytes(kText, std::string(0x80, '\xcc'), PF_R | PF_X);
  builder.AddLoadedBytes(kTable, table.Build(), PF_R);
  builder.AddLoadedBytes(kTrees, trees, PF_R);
  if (!module.empty()) builder.AddLoadedBytes(kModule, module, PF_R | PF_W);
  builder.Add({.name = ".go.buildinfo", .bytes = "x"});
  return builder;
}
ElfBuilder Program(const PclntabBuilder& table, size_t trees_word = 40) {
  return Program(table, table.Trees(), table.Module(kTable, trees_word));
}

class GoNamesLayoutTest : public ::testing::TestWithParam<std::pair<uint32_t, size_t>> {};

TEST_P(GoNamesLayoutTest, NamesInlinedFunctionsInnermostFirst) {
  PclntabBuilder table = SmallTable();
  table.magic = GetParam().first;
  const bool starts = table.magic == 0xfffffff1;
  const StatusOr<ElfFile> elf = Program(table, GetParam().second).Open();
  ASSERT_TRUE(elf.ok()) << elf.status();
  const StatusOr<GoNames> names = GoNames::Find(*elf);
  ASSERT_TRUE(names.ok()) << names.status();
  const SourceLine own{.name = "main.work", .file = "/main/main.go", .line = 10, .start_line = starts ? 9 : 0};
  EXPECT_THAT(names->Lookup(ElfAddress(kText + 0x20)).lines, ElementsAre(own));
  EXPECT_THAT(names->Lookup(ElfAddress(kText + 0x2f)).lines, ElementsAre(own));
  // A caller's line is that of the instruction that the tree names.
  const SourceLine inner{.name = "lib.inner", .file = "/lib/lib.go", .line = 100, .start_line = starts ? 99 : 0};
  const SourceLine outer{
      .name = "lib.(*T[...]).outer", .file = "/lib/lib.go", .line = 201, .start_line = starts ? 200 : 0};
  const SourceLine call{.name = "main.work", .file = "/main/main.go", .line = 12, .start_line = starts ? 9 : 0};
  EXPECT_THAT(names->Lookup(ElfAddress(kText + 0x30)).lines, ElementsAre(inner, outer, call));
  EXPECT_THAT(names->Lookup(ElfAddress(kText + 0x4f)).lines, ElementsAre(outer, call));
}

INSTANTIATE_TEST_SUITE_P(Layouts, GoNamesLayoutTest,
                         ::testing::Values(std::pair{0xfffffffau, 60},    // Go 1.16
                                           std::pair{0xfffffff0u, 38},    // 1.18
                                           std::pair{0xfffffff1u, 40},    // 1.20
                                           std::pair{0xfffffff1u, 43},    // 1.27
                                           std::pair{0xfffffff1u, 59}));  // one to come

TEST(GoNamesTest, NamesPaddingByItsFunctionAlone) {
  const StatusOr<ElfFile> elf = Program(SmallTable()).Open();
  const StatusOr<GoNames> names = GoNames::Find(*elf);
  EXPECT_THAT(names->Lookup(ElfAddress(kText + 0x5f)).lines,
              ElementsAre(SourceLine{.name = "main.work", .start_line = 9}));
}

TEST(GoNamesTest, SaysWhatIsNotCovered) {
  const StatusOr<ElfFile> elf = Program(SmallTable()).Open();
  const StatusOr<GoNames> names = GoNames::Find(*elf);
  for (const uint64_t address : {uint64_t{0}, kText - 1, kText + 0x80, UINT64_MAX}) {
    EXPECT_EQ(names->Lookup(ElfAddress(address)).miss, Miss::kNotCovered) << address;
  }
}

TEST(GoNamesTest, GivesNoLineOfAnInlinedFunctionToAnother) {
  // Without moduledata the trees aren't found, and the line is of a function whose name is not known.
  const PclntabBuilder table = SmallTable();
  const StatusOr<ElfFile> elf = Program(table, table.Trees(), "").Open();
  const StatusOr<GoNames> names = GoNames::Find(*elf);
  EXPECT_THAT(names->Lookup(ElfAddress(kText + 0x30)).lines,
              ElementsAre(SourceLine{.name = "main.work", .start_line = 9}));
  EXPECT_EQ(names->Lookup(ElfAddress(kText + 0x20)).lines.at(0).line, 10);
}

TEST(GoNamesTest, TakesNoWordForTheTreesThatLeadsElsewhere) {
  const PclntabBuilder table = SmallTable();
  const StatusOr<ElfFile> elf =
      Program(table, std::string(table.Trees().size(), '\x7f'), table.Module(kTable, 40)).Open();
  const StatusOr<GoNames> names = GoNames::Find(*elf);
  EXPECT_EQ(names->Lookup(ElfAddress(kText + 0x30)).lines.size(), 1u);
}

TEST(GoNamesTest, EndsACircleOfInlinedCalls) {
  PclntabBuilder table = SmallTable();
  table.functions[1].calls[0].caller_code = 0x10;
  table.functions[1].calls[1].caller_code = 0x20;
  const StatusOr<ElfFile> elf = Program(table).Open();
  const StatusOr<GoNames> names = GoNames::Find(*elf);
  EXPECT_THAT(names->Lookup(ElfAddress(kText + 0x30)).lines,
              ElementsAre(SourceLine{.name = "main.work", .start_line = 9}));
}

TEST(GoNamesTest, ReadsLongNames) {
  PclntabBuilder table = SmallTable();
  table.functions[1].name = "main." + std::string(20'000, 'x');
  const StatusOr<ElfFile> elf = Program(table).Open();
  const StatusOr<GoNames> names = GoNames::Find(*elf);
  EXPECT_EQ(names->Lookup(ElfAddress(kText + 0x20)).lines.at(0).name, table.functions[1].name);
}

TEST(GoNamesTest, FindsModuledataByRelocations) {
  PclntabBuilder table = SmallTable();
  table.text_in_header = false;
  std::string module = table.Module(kTable, 40);
  std::vector<Elf64_Rela> relocations;
  for (uint64_t i = 0; i < module.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, module.data() + i, sizeof(word));
    relocations.push_back({.r_offset = kModule + i,
                           .r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE),
                           .r_addend = static_cast<int64_t>(word)});
  }
  ElfBuilder builder = Program(table, table.Trees(), std::string(module.size(), '\0'));
  builder.Add({.name = ".rela.dyn",
               .type = SHT_RELA,
               .flags = SHF_ALLOC,
               .bytes = std::string(AsText(std::as_bytes(std::span(relocations)))),
               .entry_size = sizeof(Elf64_Rela)});
  const StatusOr<ElfFile> elf = builder.Open();
  const StatusOr<GoNames> names = GoNames::Find(*elf);
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_EQ(names->Lookup(ElfAddress(kText + 0x30)).lines.size(), 3u);
}

TEST(GoNamesTest, FindsFunctionsAmongMany) {
  // Beginnings of every 64th function are kept; the others are read.
  PclntabBuilder table{.code_bytes = 1000 * 16};
  for (uint32_t i = 0; i < 1000; ++i) {
    table.functions.push_back({.name = "f" + std::to_string(i), .code = i * 16});
  }
  ElfBuilder builder;
  builder.AddLoadedBytes(kText, std::string(1000 * 16, '\xcc'), PF_R | PF_X);
  builder.AddLoadedBytes(kTable, table.Build(), PF_R);
  builder.Add({.name = ".go.buildinfo", .bytes = "x"});
  const StatusOr<ElfFile> elf = builder.Open();
  const StatusOr<GoNames> names = GoNames::Find(*elf);
  ASSERT_TRUE(names.ok()) << names.status();
  for (uint32_t i = 0; i < 1000 * 16; ++i) {
    ASSERT_EQ(names->Lookup(ElfAddress(kText + i)).lines.at(0).name, "f" + std::to_string(i / 16));
  }
}

}  // namespace
}  // namespace kiln::symbolizer
