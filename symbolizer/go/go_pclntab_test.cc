// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/go/go_pclntab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "symbolizer/testing/elf_builder.h"
#include "symbolizer/testing/pclntab_builder.h"

namespace kiln::symbolizer {
namespace {

using ::testing::ElementsAre;
using testing::ElfBuilder;
using ::testing::Pair;
using testing::PclntabBuilder;

constexpr uint64_t kText = 0x401000;
constexpr uint64_t kTable = 0x500000;

PclntabBuilder SmallTable() {
  return {.code_bytes = 0x60,
          .functions = {{.name = "runtime.goexit", .code = 0, .flags = 1 | 4, .depths = {{0, 0x20}}},
                        {.name = "main.work", .code = 0x20, .depths = {{0, 4}, {8, 4}, {0x1238, 0x10}, {0, 8}}},
                        {.name = "runtime.goexit1", .code = 0x40, .flags = 2, .depths = {{0, 0x20}}}}};
}

ElfBuilder Program(const PclntabBuilder& table, std::string code = std::string(0x60, '\xcc')) {
  ElfBuilder builder;
  builder.AddLoadedBytes(kText, code, PF_R | PF_X);
  builder.AddLoadedBytes(kTable, std::string(32, '\0') + table.Build(), PF_R);
  builder.Add({.name = ".go.buildinfo", .bytes = "x"});
  return builder;
}

std::vector<std::pair<uint64_t, int32_t>> Depths(const GoPclntab& table, const GoFunction& function) {
  std::vector<std::pair<uint64_t, int32_t>> depths;
  EXPECT_TRUE(table
                  .VisitValues(function.extent, function.depths,
                               [&](ElfAddress end, int32_t bytes) {
                                 depths.emplace_back(end.value(), bytes);
                                 return true;
                               })
                  .ok());
  return depths;
}

class GoPclntabLayoutTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(GoPclntabLayoutTest, ReadsFunctionsAndDepths) {
  PclntabBuilder builder = SmallTable();
  builder.magic = GetParam();
  const StatusOr<ElfFile> elf = Program(builder).Open();
  ASSERT_TRUE(elf.ok()) << elf.status();
  const StatusOr<GoPclntab> table = GoPclntab::Find(*elf);
  ASSERT_TRUE(table.ok()) << table.status();
  ASSERT_EQ(table->size(), 3u);
  EXPECT_EQ(table->IndexOf(ElfAddress(0)), 0u);
  EXPECT_EQ(table->IndexOf(ElfAddress(kText + 0x1f)), 0u);
  EXPECT_EQ(table->IndexOf(ElfAddress(kText + 0x20)), 1u);
  EXPECT_EQ(table->IndexOf(ElfAddress(kText + 0x60)), 3u);

  const StatusOr<GoFunction> work = table->Read(1);
  ASSERT_TRUE(work.ok()) << work.status();
  EXPECT_EQ(table->Name(work->name), "main.work");
  EXPECT_EQ(work->extent.begin, ElfAddress(kText + 0x20));
  EXPECT_EQ(work->extent.end, ElfAddress(kText + 0x40));
  EXPECT_THAT(Depths(*table, *work), ElementsAre(Pair(kText + 0x24, 0), Pair(kText + 0x28, 8),
                                                 Pair(kText + 0x38, 0x1238), Pair(kText + 0x40, 0)));
  const StatusOr<GoFunction> goexit = table->Read(0);
  ASSERT_TRUE(goexit.ok());
  EXPECT_TRUE(goexit->top_frame && goexit->assembly && !goexit->writes_sp);
  EXPECT_TRUE(table->Read(2)->writes_sp);
}

INSTANTIATE_TEST_SUITE_P(Layouts, GoPclntabLayoutTest, ::testing::Values(0xfffffffa, 0xfffffff0, 0xfffffff1));

TEST(GoPclntabTest, FindsTheTextByTheCallInGoexit) {
  PclntabBuilder builder = SmallTable();
  builder.text_in_header = false;
  std::string code(0x1000, '\xcc');
  code.replace(0x7f0, 2, "\x90\xe8");                            // a call of something else
  code.replace(0x800, 6, std::string("\x90\xe8\x3a\0\0\0", 6));  // to 0x840
  const StatusOr<ElfFile> elf = Program(builder, code).Open();
  const StatusOr<GoPclntab> table = GoPclntab::Find(*elf);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->Extent(0)->begin, ElfAddress(kText + 0x800));
}

TEST(GoPclntabTest, RefusesATableWhoseTextIsNotFound) {
  PclntabBuilder builder = SmallTable();
  builder.text_in_header = false;
  const StatusOr<ElfFile> elf = Program(builder).Open();
  EXPECT_EQ(GoPclntab::Find(*elf).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(GoPclntabTest, ReadsOtherProgramsAsNotGo) {
  ElfBuilder builder;
  builder.AddLoadedBytes(kTable, SmallTable().Build(), PF_R);
  const StatusOr<ElfFile> elf = builder.Open();  // has sections, none of which is Go's
  EXPECT_EQ(GoPclntab::Find(*elf).status().code(), absl::StatusCode::kNotFound);
}

TEST(GoPclntabTest, SearchesProgramsWithoutSections) {
  ElfBuilder builder = Program(SmallTable());
  builder.patch_header = [](Elf64_Ehdr& header) { header.e_shoff = header.e_shnum = header.e_shstrndx = 0; };
  const StatusOr<ElfFile> elf = builder.Open();
  EXPECT_TRUE(GoPclntab::Find(*elf).ok());
}

TEST(GoPclntabTest, RefusesFunctionsThatDontAscend) {
  PclntabBuilder builder = SmallTable();
  builder.functions[1].code = 0x50;
  builder.functions[2].code = 0x40;
  const StatusOr<ElfFile> elf = Program(builder).Open();
  EXPECT_EQ(GoPclntab::Find(*elf).status().code(), absl::StatusCode::kDataLoss);
}

TEST(GoPclntabTest, RefusesMoreFunctionsThanTheFileHolds) {
  std::string table = SmallTable().Build();
  table[8] = '\x7f';
  ElfBuilder builder;
  builder.AddLoadedBytes(kTable, table, PF_R);
  builder.Add({.name = ".go.buildinfo", .bytes = "x"});
  const StatusOr<ElfFile> elf = builder.Open();
  EXPECT_EQ(GoPclntab::Find(*elf).status().code(), absl::StatusCode::kDataLoss);
}

TEST(GoPclntabTest, EndsDepthsAtTheFunctionsEnd) {
  PclntabBuilder builder = SmallTable();
  builder.functions[1].depths = {{0, 4}, {8, 0x100}};
  const StatusOr<ElfFile> elf = Program(builder).Open();
  const StatusOr<GoPclntab> table = GoPclntab::Find(*elf);
  int visited = 0;
  const GoFunction work = *table->Read(1);
  const Status status =
      table->VisitValues(work.extent, work.depths, [&](ElfAddress, int32_t) { return ++visited > 0; });
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(visited, 1);
}

}  // namespace
}  // namespace kiln::symbolizer
