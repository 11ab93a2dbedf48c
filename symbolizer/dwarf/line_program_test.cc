// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/line_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>
#include <tuple>

#include "symbolizer/testing/dwarf_builder.h"

namespace kiln::symbolizer::dwarf {
namespace {

using testing::ByteWriter;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::LineBuilder;

LineTable Read(const std::string& program, std::string_view comp_dir = "/build", uint64_t offset = 0) {
  // Tables refer to the bytes.
  static std::list<std::string> kept;
  const Sections sections{.line = AsBytes(kept.emplace_back(program))};
  UnitView unit{.sections = &sections};
  unit.header.encoding = {.version = 4, .address_size = 8};
  return LineTable::Read(unit, offset, comp_dir, "unit.cc");
}

using Row = std::tuple<uint64_t, uint32_t, bool>;  // address, line, ends
std::vector<Row> Rows(const LineTable& table) {
  std::vector<Row> rows;
  for (const LineRow& row : table.rows()) rows.emplace_back(row.address, row.line, row.ends_sequence);
  return rows;
}

// The first file of the source code has number 1 in all versions.
LineBuilder Program(uint16_t version) {
  if (version >= 5) {
    return LineBuilder({.version = version,
                        .directories = {"/build", "src"},
                        .files = {{.name = "unit.cc", .directory = 0}, {.name = "a.cc", .directory = 1}}});
  }
  return LineBuilder({.version = version, .directories = {"src"}, .files = {{.name = "a.cc", .directory = 1}}});
}

class LineProgramVersions : public ::testing::TestWithParam<uint16_t> {};

TEST_P(LineProgramVersions, GivesRowsAndFiles) {
  LineBuilder program = Program(GetParam());
  program.Address(0x1000).Column(7).Row().Advance(4).AdvanceLine(9).Row().Advance(12).End();
  const LineTable table = Read(program.Build());
  EXPECT_FALSE(table.damaged());
  EXPECT_THAT(Rows(table), ElementsAre(Row(0x1000, 1, false), Row(0x1004, 10, false), Row(0x1010, 10, true)));
  EXPECT_EQ(table.rows()[0].column, 7);
  EXPECT_EQ(table.File(table.rows()[0].file), "/build/src/a.cc");
  EXPECT_EQ(table.File(0), "/build/unit.cc");
  EXPECT_EQ(table.File(2), "");
  EXPECT_EQ(table.File(UINT64_MAX), "");
}

INSTANTIATE_TEST_SUITE_P(All, LineProgramVersions, ::testing::Values(2, 3, 4, 5));

TEST(LineProgramTest, RunsSpecialOpcodes) {
  LineBuilder program = Program(4);
  program.Address(0x1000);
  program.Op(13 + 14 * 3 + 5 + 2);  // 3 bytes, 2 lines on
  program.Op(13 + 14 * 1 + 5 - 1);  // 1 byte, 1 line back
  program.Op(kLnsConstAddPc).Row();
  program.Op(kLnsFixedAdvancePc).U16(0x100);
  program.End();
  EXPECT_THAT(Rows(Read(program.Build())),
              ElementsAre(Row(0x1003, 3, false), Row(0x1004, 2, false), Row(0x1004 + (255 - 13) / 14, 2, false),
                          Row(0x1104 + (255 - 13) / 14, 2, true)));
}

TEST(LineProgramTest, CountsInInstructions) {
  LineBuilder program({.version = 4, .min_instruction = 4});
  program.Address(0x1000).Row().Advance(2).End();
  EXPECT_THAT(Rows(Read(program.Build())), ElementsAre(Row(0x1000, 1, false), Row(0x1008, 1, true)));
}

TEST(LineProgramTest, BeginsEachSequenceAnew) {
  LineBuilder program = Program(5);
  program.Address(0x2000).AdvanceLine(50).Column(3).Row().Advance(8).End();
  program.Address(0x1000).Row().Advance(8).End();
  const LineTable table = Read(program.Build());
  EXPECT_THAT(Rows(table),
              ElementsAre(Row(0x2000, 51, false), Row(0x2008, 51, true), Row(0x1000, 1, false), Row(0x1008, 1, true)));
  EXPECT_EQ(table.rows()[2].column, 0);
}

TEST(LineProgramTest, SortsRowsThatGoBack) {
  LineBuilder program = Program(5);
  program.Address(0x1010).Row();
  program.Address(0x1000).AdvanceLine(1).Row();
  program.Address(0x1030).AdvanceLine(1).Row();  // beyond the end
  program.Address(0x1020).End();
  const LineTable table = Read(program.Build());
  EXPECT_FALSE(table.damaged());
  EXPECT_THAT(Rows(table), ElementsAre(Row(0x1000, 2, false), Row(0x1010, 1, false), Row(0x1020, 3, true)));
}

TEST(LineProgramTest, DropsASequenceWithoutEnd) {
  LineBuilder program = Program(5);
  program.Address(0x1000).Row().Advance(8).End();
  program.Address(0x2000).Row();
  const LineTable table = Read(program.Build());
  EXPECT_TRUE(table.damaged());
  EXPECT_THAT(Rows(table), ElementsAre(Row(0x1000, 1, false), Row(0x1008, 1, true)));
}

TEST(LineProgramTest, KeepsWhatComesBeforeDamage) {
  LineBuilder program = Program(5);
  program.Address(0x1000).Row().Advance(8).End();
  program.Address(0x2000).Row();
  program.U8(0).Uleb(1000).U8(kLneSetAddress);  // longer than the program
  const LineTable table = Read(program.Build());
  EXPECT_TRUE(table.damaged());
  EXPECT_EQ(table.rows().size(), 2u);
  EXPECT_EQ(table.File(1), "/build/src/a.cc");
}

TEST(LineProgramTest, NeverReadsBeyondACut) {
  for (const uint16_t version : {2, 3, 4, 5}) {
    LineBuilder program = Program(version);
    program.Address(0x1000).Row().Advance(8).End();
    const std::string whole = program.Build();
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_TRUE(Read(whole.substr(0, size)).damaged()) << size;
      // With a length that fits.
      if (size < 4) continue;
      ByteWriter cut;
      cut.U32(size - 4).Raw(std::string_view(whole).substr(4, size - 4));
      EXPECT_THAT(Rows(Read(cut.bytes())), IsEmpty()) << size;
    }
  }
}

TEST(LineProgramTest, RefusesHeadersThatItDoesNotKnow) {
  EXPECT_TRUE(Read(LineBuilder({.version = 6}).End().Build()).damaged());
  EXPECT_TRUE(Read(LineBuilder({.version = 1}).End().Build()).damaged());
  EXPECT_TRUE(Read(LineBuilder({.version = 4, .line_range = 0}).End().Build()).damaged());
  EXPECT_TRUE(Read(LineBuilder({.version = 4, .opcode_base = 0}).End().Build()).damaged());
  EXPECT_TRUE(Read(Program(5).End().Build(), "/build", 1 << 20).damaged()) << "an offset beyond the section";
}

TEST(LineProgramTest, KnowsHowMuchUnknownOpcodesTake) {
  LineBuilder program({.version = 4, .opcode_base = 20});
  program.Address(0x1000);
  program.Op(19).Uleb(0x1234567);
  program.Extended(0x80, "of a vendor");
  program.Row().Advance(1).End();
  const LineTable table = Read(program.Build());
  EXPECT_FALSE(table.damaged());
  EXPECT_THAT(Rows(table), ElementsAre(Row(0x1000, 1, false), Row(0x1001, 1, true)));
}

TEST(LineProgramTest, TakesFilesThatTheProgramDefines) {
  LineBuilder program = Program(4);
  program.Address(0x1000);
  program.Extended(kLneDefineFile, ByteWriter().Text("late.cc").Uleb(0).Uleb(0).Uleb(0).bytes());
  program.SetFile(2).Row().Advance(1).End();
  const LineTable table = Read(program.Build());
  EXPECT_EQ(table.rows()[0].file, 2u);
  EXPECT_EQ(table.File(2), "/build/late.cc");
}

TEST(LineProgramTest, JoinsPaths) {
  const LineTable table = Read(LineBuilder({.version = 4,
                                            .directories = {"/absolute", "../up"},
                                            .files = {{.name = "a.cc", .directory = 1},
                                                      {.name = "b.cc", .directory = 2},
                                                      {.name = "/whole/c.cc", .directory = 2},
                                                      {.name = "d.cc", .directory = 999}}})
                                   .Build());
  EXPECT_EQ(table.File(1), "/absolute/a.cc");
  EXPECT_EQ(table.File(2), "/up/b.cc");
  EXPECT_EQ(table.File(3), "/whole/c.cc");
  EXPECT_EQ(table.File(4), "/build/d.cc") << "a wrong directory number";
}

TEST(LineProgramTest, CountsHugeNumbersAsUnknown) {
  LineBuilder program = Program(5);
  program.Address(0x1000).Column(70000).SetFile(uint64_t{1} << 33).AdvanceLine(int64_t{1} << 40).Row();
  program.Advance(1).End();
  const LineTable table = Read(program.Build());
  EXPECT_EQ(table.rows()[0].column, 0);
  EXPECT_EQ(table.rows()[0].file, 0u);
  EXPECT_EQ(table.rows()[0].line, 0u);
}

TEST(LineProgramTest, EndsATableOfFilesThatTakeNoBytes) {
  ByteWriter header;
  header.U8(1).U8(1).U8(1).U8(static_cast<uint64_t>(-5)).U8(14).U8(1);
  header.U8(1).Uleb(kLnctPath).Uleb(kFormFlagPresent).Uleb(UINT64_MAX);
  ByteWriter program;
  program.U32(2 + 2 + 4 + header.size()).U16(5).U8(8).U8(0).U32(header.size()).Raw(header.bytes());
  EXPECT_TRUE(Read(program.bytes()).damaged());
}

TEST(LineProgramTest, TakesAddressesOfNoSizeInItsHeader) {
  ByteWriter header;
  header.U8(1).U8(1).U8(1).U8(static_cast<uint64_t>(-5)).U8(14).U8(1);
  header.U8(1).Uleb(kLnctPath).Uleb(kFormAddrx).Uleb(1).Uleb(0).U8(0).Uleb(0);
  ByteWriter program;
  program.U32(2 + 2 + 4 + header.size()).U16(5).U8(0).U8(0).U32(header.size()).Raw(header.bytes());
  EXPECT_FALSE(Read(program.bytes()).damaged());
}

}  // namespace
}  // namespace kiln::symbolizer::dwarf
