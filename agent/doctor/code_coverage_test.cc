// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/code_coverage.h"

#include <gtest/gtest.h>

#include "symbolizer/testing/row_list.h"

namespace kiln::agent {
namespace {

using symbolizer::ElfFile;
using symbolizer::UnwindTableBuilder;
using symbolizer::testing::Bytes;
using symbolizer::testing::CfiBuilder;
using symbolizer::testing::ElfBuilder;

constexpr uint64_t kText = 0x11000;
constexpr uint64_t kEhFrame = 0x80000;

// arm64, where nothing is derived: 0x1f000 bytes of code over two pages of the table, with unwind information for some.
struct TestFile {
  ElfBuilder elf;
  CfiBuilder eh_frame{true, kEhFrame};
  uint64_t cie = eh_frame.AddCie({.return_column = 30, .instructions = symbolizer::testing::kArm64Initial});

  TestFile() {
    elf.patch_header = [](Elf64_Ehdr& header) { header.e_machine = EM_AARCH64; };
    elf.AddLoadedBytes(kText, std::string(0x1f000, '\x5a'), PF_R | PF_X);
  }
  void AddFunction(uint64_t offset, uint64_t size) { eh_frame.AddFde(cie, kText + offset, size, Bytes({0x0e, 16})); }
  ElfFile Open() {
    elf.Add({.name = ".eh_frame", .address = kEhFrame, .bytes = eh_frame.bytes()});
    return *elf.Open();
  }
};

CodeCoverage Measure(const ElfFile& elf, const CodeRanges& code) {
  return MeasureCoverage(**UnwindTableBuilder::Open(elf), code);
}

TEST(CodeCoverageTest, AddsUpWhatTheRowsSay) {
  TestFile file;
  file.AddFunction(0x1000, 0x2000);
  file.AddFunction(0xe000, 0x2000);  // over the edge of a page
  const ElfFile elf = file.Open();
  const CodeCoverage coverage = Measure(elf, {{kText, kText + 0x1f000}});
  EXPECT_EQ(coverage.code, 0x1f000u);
  EXPECT_EQ(coverage.cfi, 0x4000u);
  EXPECT_EQ(coverage.without, 0x1b000u);
  EXPECT_EQ(coverage.derived + coverage.unclear + coverage.inexpressible + coverage.damaged, 0u);
  EXPECT_GE(coverage.rows, 5u);
  EXPECT_GT(coverage.table_bytes, 0u);
}

TEST(CodeCoverageTest, CountsOnlyTheCodeAskedFor) {
  TestFile file;
  file.AddFunction(0x1000, 0x2000);
  const ElfFile elf = file.Open();
  const CodeCoverage coverage = Measure(elf, {{kText + 0x1800, kText + 0x1900}, {kText + 0x2f00, kText + 0x3100}});
  EXPECT_EQ(coverage.code, 0x300u);
  EXPECT_EQ(coverage.cfi, 0x200u);
  EXPECT_EQ(coverage.without, 0x100u);
}

TEST(CodeCoverageTest, WhatLiesOutsideOfTheTableIsWithout) {
  const ElfFile elf = TestFile().Open();
  EXPECT_EQ(Measure(elf, {{0, 0x1000}, {kText + 0x100000, kText + 0x100010}}).without, 0x1010u);
  EXPECT_EQ(Measure(elf, {}).code, 0u);
}

TEST(FindCodeTest, TakesExecutableSections) {
  ElfBuilder builder;
  builder.AddLoadedBytes(kText, std::string(0x1000, 'x'), PF_R | PF_X);
  constexpr uint64_t kCode = SHF_ALLOC | SHF_EXECINSTR;
  builder.Add({.name = ".text", .flags = kCode, .address = kText + 0x100, .bytes = std::string(0x100, 'x')});
  builder.Add({.name = ".plt", .flags = kCode, .address = kText + 0x80, .bytes = std::string(0x80, 'x')});
  builder.Add({.name = ".rodata", .flags = SHF_ALLOC, .address = kText + 0x400, .bytes = std::string(0x100, 'x')});
  const ElfFile elf = *builder.Open();
  EXPECT_EQ(FindCode(elf, 0, UINT64_MAX), (CodeRanges{{kText + 0x80, kText + 0x200}}));
  EXPECT_EQ(FindCode(elf, kText + 0x180, kText + 0x190), (CodeRanges{{kText + 0x180, kText + 0x190}}));
  EXPECT_EQ(FindCode(elf, kText + 0x200, kText + 0x1000), CodeRanges());
}

TEST(FindCodeTest, TakesSegmentsWhereThereAreNoSections) {
  ElfBuilder builder;
  builder.AddLoadedBytes(kText, std::string(0x1000, 'x'), PF_R | PF_X);
  builder.AddLoadedBytes(kText + 0x1000, std::string(0x1000, 'x'), PF_R);
  EXPECT_EQ(FindCode(*builder.Open(), 0, UINT64_MAX), (CodeRanges{{kText, kText + 0x1000}}));
}

}  // namespace
}  // namespace kiln::agent
