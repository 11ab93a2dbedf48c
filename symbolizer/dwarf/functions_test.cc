// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/functions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "symbolizer/dwarf/info_file.h"
#include "symbolizer/testing/dwarf_builder.h"

namespace kiln::symbolizer::dwarf {
namespace {

using testing::AbbreviationBuilder;
using testing::ByteWriter;
using testing::DebugSections;
using ::testing::ElementsAre;
using testing::InfoBuilder;
using ::testing::IsEmpty;

// One unit with the abbreviations that tests need.
class UnitUnderTest {
 public:
  explicit UnitUnderTest(uint16_t version = 5) { info.BeginUnit({.version = version}); }

  AbbreviationBuilder table;
  const uint64_t unit = table.Add(testing::kTagCompileUnit, true, {{kAtLowPc, kFormAddr}});
  const uint64_t function = table.Add(kTagSubprogram, true, {{kAtLowPc, kFormAddr}, {kAtHighPc, kFormData4}});
  const uint64_t leaf = table.Add(kTagSubprogram, false, {{kAtLowPc, kFormAddr}, {kAtHighPc, kFormAddr}});
  const uint64_t abstract = table.Add(kTagSubprogram, true, {{kAtName, kFormString}});
  const uint64_t inlined = table.Add(kTagInlinedSubroutine, true,
                                     {{kAtAbstractOrigin, kFormRef4},
                                      {kAtLowPc, kFormAddr},
                                      {kAtHighPc, kFormUdata},
                                      {kAtCallFile, kFormData1},
                                      {kAtCallLine, kFormData2},
                                      {kAtCallColumn, kFormData4}});
  const uint64_t block = table.Add(testing::kTagLexicalBlock, true, {{kAtLowPc, kFormAddr}, {kAtHighPc, kFormData8}});
  const uint64_t type = table.Add(kTagClassType, true, {{kAtName, kFormString}});
  const uint64_t ranged = table.Add(kTagSubprogram, false, {{kAtRanges, kFormSecOffset}});
  InfoBuilder info;
  std::string ranges;

  Functions Read(size_t cut = 0) {
    info.EndUnit();
    debug_.info = info.bytes().substr(0, info.size() - cut);
    if (cut != 0) debug_.info.replace(0, 4, ByteWriter().U32(debug_.info.size() - 4).bytes());
    debug_.abbrev = table.bytes();
    debug_.ranges = ranges;
    const Sections sections = debug_.View();
    InfoFile file(sections, nullptr, sections.addr);
    const OpenUnit open = file.Open(file.units().at(0));
    return ReadFunctions(open.view, *open.abbreviations, open.entry.low_pc);
  }

 private:
  DebugSections debug_;
};

std::vector<uint32_t> Parents(const Functions& functions) {
  std::vector<uint32_t> parents;
  for (const Scope& scope : functions.scopes) parents.push_back(scope.parent);
  return parents;
}

TEST(FunctionsTest, KeepsTheTreeOfInlinedCalls) {
  UnitUnderTest unit;
  InfoBuilder& info = unit.info;
  info.Entry(unit.unit);
  info.U64(0);
  const uint64_t abstract = info.Entry(unit.abstract);
  info.Text("callee").EndChildren();
  const uint64_t function = info.Entry(unit.function);
  info.U64(0x1000).U32(0x100);
  info.Entry(unit.inlined);
  info.U32(abstract).U64(0x1010).Uleb(0x40).U8(2).U16(300).U32(7);
  info.Entry(unit.block);
  info.U64(0x1020).U64(0x10);
  info.Entry(unit.inlined);
  info.U32(abstract).U64(0x1020).Uleb(8).U8(0).U16(1).U32(70000);
  for (int i = 0; i < 4; ++i) info.EndChildren();
  info.Entry(unit.leaf);
  info.U64(0x2000).U64(0x2010);
  info.EndChildren();
  const Functions functions = unit.Read();
  EXPECT_FALSE(functions.damaged);
  ASSERT_THAT(Parents(functions), ElementsAre(kNoScope, 0, 1, kNoScope));
  const Scope& call = functions.scopes[1];
  EXPECT_EQ(call.entry, abstract);
  EXPECT_EQ(call.call_file, 2u);
  EXPECT_EQ(call.call_line, 300u);
  EXPECT_EQ(call.call_column, 7);
  EXPECT_TRUE(functions.scopes[2].has_call_file);
  EXPECT_EQ(functions.scopes[2].call_column, 0) << "beyond 16 bits";
  EXPECT_EQ(functions.scopes[0].entry, function);
  EXPECT_EQ(functions.scopes[0].origin, function);
  EXPECT_THAT(functions.ranges, ElementsAre(AddressRange{0x1000, 0x1100}, AddressRange{0x1010, 0x1050},
                                            AddressRange{0x1020, 0x1028}, AddressRange{0x2000, 0x2010}));
}

TEST(FunctionsTest, FindsFunctionsInTypesAndInFunctions) {
  UnitUnderTest unit;
  InfoBuilder& info = unit.info;
  info.Entry(unit.unit);
  info.U64(0);
  info.Entry(unit.function);
  info.U64(0x1000).U32(0x100);
  info.Entry(unit.type);
  info.Text("Local");
  info.Entry(unit.leaf);
  info.U64(0x2000).U64(0x2010);
  for (int i = 0; i < 3; ++i) info.EndChildren();
  EXPECT_THAT(Parents(unit.Read()), ElementsAre(kNoScope, kNoScope)) << "a function of its own, not inlined";
}

TEST(FunctionsTest, CountsOldRangesFromTheUnit) {
  UnitUnderTest unit(4);
  unit.ranges = ByteWriter().U64(0).U64(8).U64(0x20).U64(0x28).U64(0).U64(0).bytes();
  unit.info.Entry(unit.unit);
  unit.info.U64(0x1000);
  unit.info.Entry(unit.ranged);
  unit.info.U32(0).EndChildren();
  const Functions functions = unit.Read();
  ASSERT_EQ(functions.scopes.size(), 1u);
  EXPECT_EQ(functions.scopes[0].ranges, 2u);
  EXPECT_THAT(functions.ranges, ElementsAre(AddressRange{0x1000, 0x1008}, AddressRange{0x1020, 0x1028}));
}

TEST(FunctionsTest, LeavesOutFunctionsWithoutCode) {
  UnitUnderTest unit;
  unit.info.Entry(unit.unit);
  unit.info.U64(0);
  unit.info.Entry(unit.function);
  unit.info.U64(0x1000).U32(0);
  // Nothing encloses it: its function has no code.
  unit.info.Entry(unit.inlined);
  unit.info.U32(11).U64(0x1000).Uleb(8).U8(1).U16(1).U32(1).EndChildren();
  unit.info.EndChildren();
  unit.info.Entry(unit.leaf);
  unit.info.U64(0x2000).U64(0x1000);
  unit.info.EndChildren();
  EXPECT_THAT(Parents(unit.Read()), ElementsAre(kNoScope));
}

TEST(FunctionsTest, KeepsWhatComesBeforeACut) {
  for (size_t cut = 2; cut <= 17; ++cut) {
    UnitUnderTest unit;
    unit.info.Entry(unit.unit);
    unit.info.U64(0);
    unit.info.Entry(unit.leaf);
    unit.info.U64(0x1000).U64(0x1010);
    unit.info.Entry(unit.leaf);
    unit.info.U64(0x2000).U64(0x2010).EndChildren();
    const Functions functions = unit.Read(cut);
    EXPECT_TRUE(functions.damaged) << cut;
    EXPECT_THAT(functions.ranges, ElementsAre(AddressRange{0x1000, 0x1010})) << cut;
  }
}

TEST(FunctionsTest, StopsAtUnknownAbbreviations) {
  UnitUnderTest unit;
  unit.info.Entry(unit.unit);
  unit.info.U64(0);
  unit.info.Entry(99);
  const Functions functions = unit.Read();
  EXPECT_TRUE(functions.damaged);
  EXPECT_THAT(functions.scopes, IsEmpty());
}

TEST(FunctionsTest, StopsWhereEntriesNestWithoutEnd) {
  UnitUnderTest unit;
  unit.info.Entry(unit.unit);
  unit.info.U64(0);
  for (int i = 0; i < 100'000; ++i) {
    unit.info.Entry(unit.type);
    unit.info.Text("");
  }
  EXPECT_TRUE(unit.Read().damaged);
}

TEST(FunctionsTest, RefusesAbbreviationsOfNoEnd) {
  UnitUnderTest unit;
  const AbbreviationBuilder::Attributes endless(100'000, {kAtName, kFormFlagPresent});
  const uint64_t code = unit.table.Add(kTagSubprogram, false, endless);
  unit.info.Entry(unit.unit);
  unit.info.U64(0);
  unit.info.Entry(code);
  EXPECT_TRUE(unit.Read().damaged) << "each entry of one byte would take the time of all attributes";
}

}  // namespace
}  // namespace kiln::symbolizer::dwarf
