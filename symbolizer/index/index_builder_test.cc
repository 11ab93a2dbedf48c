// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/index/index_builder.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "symbolizer/index/line_index.h"
#include "symbolizer/testing/dwarf_builder.h"

namespace kiln::symbolizer {
namespace {

using namespace kiln::symbolizer::dwarf;
using testing::AbbreviationBuilder;
using testing::DebugSections;
using ::testing::ElementsAre;
using testing::ElfBuilder;
using testing::InfoBuilder;
using ::testing::IsEmpty;
using testing::LineBuilder;

class IndexBuilderTest : public ::testing::Test {
 protected:
  // A program of code at [0x1000, 0x3000), and functions that are named by `symbols`.
  static ElfBuilder Program(const std::vector<testing::TestSymbol>& symbols = {}) {
    ElfBuilder elf;
    elf.AddSegment(testing::LoadSegment(0, 0x1000, 0x2000, PF_R | PF_X));
    elf.AddText(0x1000, 0x2000);
    if (!symbols.empty()) elf.AddSymbols(SHT_SYMTAB, symbols);
    return elf;
  }
  // A unit with lines at `lines` of .debug_line.
  void BeginUnit(uint32_t lines) {
    info_.BeginUnit({});
    info_.Entry(unit_);
    info_.Text("unit.cc").Text("/build").U32(lines);
  }
  void Function(const std::string& name, uint64_t start, uint32_t bytes) {
    info_.Entry(function_);
    info_.Text(name).U64(start).U32(bytes);
  }
  void EndUnit() {
    info_.EndChildren();
    info_.EndUnit();
  }
  // Line 1 at `start`, line 2 from 4 bytes on.
  uint32_t Lines(uint64_t start, uint64_t bytes) {
    LineBuilder lines({.version = 4, .files = {{.name = "a.cc", .directory = 0}}});
    lines.Address(start).Row().Advance(4).AdvanceLine(1).Row().Advance(bytes - 4).End();
    lines_ += lines.Build();
    return static_cast<uint32_t>(lines_.size() - lines.size());
  }
  Status Build(ElfBuilder elf = Program()) {
    DebugSections{.info = info_.bytes(), .abbrev = table_.bytes(), .line = lines_}.AddTo(elf);
    const StatusOr<ElfFile> file = elf.Open();
    KILN_RETURN_IF_ERROR(file.status());
    const UniqueFd fd(::memfd_create("index", MFD_CLOEXEC));
    KILN_RETURN_IF_ERROR(BuildLineIndex({.code = &*file, .debug = &*file}, {}, fd.get()));
    image_.resize(static_cast<size_t>(::lseek(fd.get(), 0, SEEK_END)) / 8);
    EXPECT_GT(::pread(fd.get(), image_.data(), image_.size() * 8, 0), 0);
    return LineIndex::FromBytes(std::as_bytes(std::span(image_))).status();
  }
  LineIndex Index() const { return *LineIndex::FromBytes(std::as_bytes(std::span(image_))); }
  std::vector<std::string> At(uint64_t address) const {
    std::vector<LineIndex::Line> lines;
    Index().Lookup(ElfAddress(address), lines);
    std::vector<std::string> texts;
    for (const auto& line : lines) texts.push_back(fmt::format("{}@{}:{}", line.function, line.file, line.line));
    return texts;
  }

  AbbreviationBuilder table_;
  const uint64_t unit_ = table_.Add(testing::kTagCompileUnit, true,
                                    {{kAtName, kFormString}, {kAtCompDir, kFormString}, {kAtStmtList, kFormSecOffset}});
  const uint64_t function_ =
      table_.Add(kTagSubprogram, false, {{kAtName, kFormString}, {kAtLowPc, kFormAddr}, {kAtHighPc, kFormData4}});
  const uint64_t parent_ =
      table_.Add(kTagSubprogram, true, {{kAtName, kFormString}, {kAtLowPc, kFormAddr}, {kAtHighPc, kFormData4}});
  const uint64_t inlined_ = table_.Add(kTagInlinedSubroutine, false,
                                       {{kAtAbstractOrigin, kFormRefAddr},
                                        {kAtLowPc, kFormAddr},
                                        {kAtHighPc, kFormData4},
                                        {kAtCallFile, kFormData1},
                                        {kAtCallLine, kFormData1}});
  const uint64_t abstract_ = table_.Add(kTagSubprogram, false, {{kAtName, kFormString}});
  InfoBuilder info_;
  std::string lines_;
  std::vector<uint64_t> image_;
};

TEST_F(IndexBuilderTest, NamesFunctionsAndLines) {
  BeginUnit(Lines(0x1000, 0x10));
  Function("f", 0x1000, 0x10);
  EndUnit();
  ASSERT_TRUE(Build().ok());
  EXPECT_THAT(At(0x1000), ElementsAre("f@/build/a.cc:1"));
  EXPECT_THAT(At(0x100f), ElementsAre("f@/build/a.cc:2"));
  EXPECT_THAT(At(0x1010), IsEmpty());
  EXPECT_EQ(Index().header().units, 1u);
  EXPECT_EQ(Index().header().damaged_units, 0u);
}

TEST_F(IndexBuilderTest, NamesInlinedFunctionsOfOtherUnits) {
  BeginUnit(Lines(0x2000, 0x10));
  const uint64_t callee = info_.Entry(abstract_);
  info_.Text("callee");
  EndUnit();
  BeginUnit(Lines(0x1000, 0x10));
  info_.Entry(parent_);
  info_.Text("caller").U64(0x1000).U32(0x10);
  info_.Entry(inlined_);
  info_.U32(static_cast<uint32_t>(callee)).U64(0x1004).U32(8).U8(1).U8(33).EndChildren();
  EndUnit();
  ASSERT_TRUE(Build().ok());
  EXPECT_THAT(At(0x1000), ElementsAre("caller@/build/a.cc:1"));
  EXPECT_THAT(At(0x1004), ElementsAre("callee@/build/a.cc:2", "caller@/build/a.cc:33"));
  EXPECT_THAT(At(0x100c), ElementsAre("caller@/build/a.cc:2"));
}

TEST_F(IndexBuilderTest, DropsWhatTheLinkerThrewAway) {
  BeginUnit(Lines(0, 0x10));
  Function("at zero", 0, 0x10);
  Function("at one", 1, 0x10);
  Function("at the end", UINT64_MAX - 1, 0x10);
  Function("in data", 0x5000, 0x10);
  Function("f", 0x1000, 0x10);
  EndUnit();
  ASSERT_TRUE(Build().ok());
  EXPECT_THAT(At(0x1000), ElementsAre("f@:0"));
  for (const uint64_t address : {0, 1, 4, 0x5000}) EXPECT_THAT(At(address), IsEmpty()) << address;
  EXPECT_GE(Index().header().dropped_ranges, 3u);
}

TEST_F(IndexBuilderTest, KnowsLinesOfCodeWithoutFunction) {
  BeginUnit(Lines(0x1000, 0x10));
  EndUnit();
  ASSERT_TRUE(Build().ok());
  EXPECT_THAT(At(0x1000), ElementsAre("@/build/a.cc:1"));
}

TEST_F(IndexBuilderTest, PrefersTheUnitWithFunctionsWhereTwoShareLines) {
  const uint32_t lines = Lines(0x1000, 0x10);
  BeginUnit(lines);
  EndUnit();
  BeginUnit(lines);
  Function("f", 0x1000, 0x10);
  EndUnit();
  ASSERT_TRUE(Build().ok());
  EXPECT_THAT(At(0x1000), ElementsAre("f@/build/a.cc:1"));
}

TEST_F(IndexBuilderTest, TakesLongerNamesFromSymbols) {
  BeginUnit(Lines(0x1000, 0x10));
  Function("f", 0x1000, 0x10);
  Function("g", 0x1010, 0x10);
  EndUnit();
  ASSERT_TRUE(Build(Program({{.name = "_ZN1a1fEv", .value = 0x1000, .size = 0x10},
                             {.name = "_ZN1a5otherEv", .value = 0x1010, .size = 0x10}}))
                  .ok());
  EXPECT_THAT(At(0x1000), ElementsAre("_ZN1a1fEv@/build/a.cc:1"));
  EXPECT_THAT(At(0x1010), ElementsAre("g@:0")) << "a symbol of another function";
}

TEST_F(IndexBuilderTest, CountsDamagedUnitsAndReadsTheRest) {
  BeginUnit(Lines(0x1000, 0x10));
  Function("first", 0x1000, 0x10);
  info_.Entry(99);
  EndUnit();
  BeginUnit(1 << 20);
  Function("second", 0x2000, 0x10);
  EndUnit();
  ASSERT_TRUE(Build().ok());
  EXPECT_EQ(Index().header().units, 2u);
  EXPECT_EQ(Index().header().damaged_units, 2u);
  EXPECT_THAT(At(0x1000), ElementsAre("first@/build/a.cc:1"));
  EXPECT_THAT(At(0x2000), ElementsAre("second@:0"));
}

TEST_F(IndexBuilderTest, TellsThatThereIsNoDebugInformation) { EXPECT_EQ(Build().code(), absl::StatusCode::kNotFound); }

TEST_F(IndexBuilderTest, CountsSplitUnitsWithoutFile) {
  const uint64_t skeleton = table_.Add(testing::kTagCompileUnit, false, {{kAtDwoName, kFormString}});
  info_.BeginUnit({.type = kUnitSkeleton, .dwo_id = 5});
  info_.Entry(skeleton);
  info_.Text("unit.dwo");
  info_.EndUnit();
  ASSERT_TRUE(Build().ok());
  EXPECT_EQ(Index().header().missing_units, 1u);
}

}  // namespace
}  // namespace kiln::symbolizer
