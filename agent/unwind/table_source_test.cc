// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_source.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "agent/unwind/testing/temp_folder.h"
#include "symbolizer/testing/row_list.h"
#include "symbolizer/unwind/cfi_rules.h"
#include "symbolizer/unwind/page_reader.h"

namespace kiln::agent {
namespace {

using symbolizer::ElfFile;
using symbolizer::testing::BuildIdNote;
using symbolizer::testing::Bytes;
using symbolizer::testing::CfiBuilder;
using symbolizer::testing::ElfBuilder;

constexpr uint64_t kText = 0x11000;
constexpr uint64_t kCodeBytes = 0x1000;
constexpr char kId[] = "\x12\x34\x56\x78\x9a\xbc\xde\xf0";

// Call frame information for the first `bytes` of the code.
std::string CallFrames(bool eh_frame, uint64_t bytes) {
  CfiBuilder builder{eh_frame, 0x80000};
  const uint64_t cie = eh_frame ? builder.AddCie({}) : builder.AddCie({.augmentation = ""});
  builder.AddFde(cie, kText, bytes, Bytes({0x0e, 48}));
  return builder.bytes();
}

ElfFile Program(uint64_t covered) {
  ElfBuilder builder;
  builder.AddNoteSegment(BuildIdNote(kId), 4);
  builder.AddLoadedBytes(kText, std::string(kCodeBytes, '\xf4'), PF_R | PF_X);
  if (covered > 0) builder.Add({.name = ".eh_frame", .address = 0x80000, .bytes = CallFrames(true, covered)});
  return *builder.Open();
}

class TableSourceTest : public ::testing::Test {
 protected:
  void WriteDebugFile(bool with_call_frames) {
    ElfBuilder builder;
    builder.AddNoteSegment(BuildIdNote(kId), 4);
    builder.Add({.name = ".eh_frame", .type = SHT_NOBITS, .address = 0x80000, .size = 0x100});
    if (with_call_frames) builder.Add({.name = ".debug_frame", .bytes = CallFrames(false, kCodeBytes)});
    const std::string folder = root_.path() + "/usr/lib/debug/.build-id/12";
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(WriteFileAtomically(folder + "/3456789abcdef0.debug", builder.Build()).ok());
  }
  TableSource Open(const ElfFile& elf) { return *OpenTableSource(elf, {.path = "", .roots = {root_.path()}}); }

  testing::TempFolder root_;
};

TEST_F(TableSourceTest, TakesTheDebugFileOfCodeWithoutUnwindInformation) {
  WriteDebugFile(true);
  const ElfFile elf = Program(0);
  const TableSource source = Open(elf);
  ASSERT_NE(source.debug_file, nullptr);
  ASSERT_EQ(source.builder->cfi_origins().size(), 1u);
  EXPECT_EQ(source.builder->cfi_origins()[0].section, ".debug_frame");
  EXPECT_TRUE(source.builder->cfi_origins()[0].in_debug_file);
  std::vector<uint32_t> page;
  ASSERT_TRUE(source.builder->CompilePage(0, page));
  const auto rule =
      symbolizer::FindRow(source.builder->machine(), page, kText - source.builder->base().value() + 0x800);
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->cfa_kind, KILN_CFA_REGISTER);
  EXPECT_EQ(rule->cfa_offset, 48);
  EXPECT_EQ(rule->flags & KILN_RULE_DERIVED, 0);
}

TEST_F(TableSourceTest, DoesNotLookWhereTheFileHasIt) {
  WriteDebugFile(true);
  const ElfFile elf = Program(kCodeBytes);
  EXPECT_EQ(Open(elf).debug_file, nullptr);
}

TEST_F(TableSourceTest, AFewFunctionsMakeNoUnwindInformation) {
  WriteDebugFile(true);
  const ElfFile elf = Program(0x40);
  const TableSource source = Open(elf);
  EXPECT_NE(source.debug_file, nullptr);
  EXPECT_EQ(source.builder->cfi_origins().size(), 2u);
}

TEST_F(TableSourceTest, PassesOverADebugFileWithoutCallFrames) {
  WriteDebugFile(false);
  const ElfFile elf = Program(0);
  const TableSource source = Open(elf);
  EXPECT_EQ(source.debug_file, nullptr);
  EXPECT_TRUE(source.builder->cfi_origins().empty());
}

TEST_F(TableSourceTest, DoesWithoutADebugFile) {
  const ElfFile elf = Program(0);
  EXPECT_EQ(Open(elf).debug_file, nullptr);
}

}  // namespace
}  // namespace kiln::agent
