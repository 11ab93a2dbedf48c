// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "symbolizer/dwarf/constants.h"
#include "symbolizer/testing/dwarf_builder.h"

namespace kiln::symbolizer::dwarf {
namespace {

using testing::ByteWriter;
using testing::DebugSections;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

AddressRange Range(uint64_t start, uint64_t end) { return {.start = start, .end = end}; }
Value Offset(uint64_t offset) { return {.kind = Value::Kind::kNumber, .number = offset}; }
Value Index(uint64_t index) { return {.kind = Value::Kind::kRangeIndex, .number = index}; }

struct Case {
  uint16_t version = 5;
  uint8_t address_size = 8;
  UnitBases bases = {};
  uint64_t low_pc = 0;
};

std::vector<AddressRange> Read(const DebugSections& debug, const Value& value, const Case& of) {
  const Sections sections = debug.View();
  UnitView unit{.sections = &sections, .addresses = sections.addr, .bases = of.bases};
  unit.header.encoding = {.version = of.version, .address_size = of.address_size};
  std::vector<AddressRange> ranges;
  ReadRanges(unit, value, of.low_pc, ranges);
  return ranges;
}

TEST(RangesTest, CountsOldListsFromTheUnit) {
  const DebugSections debug{.ranges = ByteWriter().U64(0x10).U64(0x20).U64(0x40).U64(0x48).U64(0).U64(0).bytes()};
  EXPECT_THAT(Read(debug, Offset(0), {.version = 4, .low_pc = 0x1000}),
              ElementsAre(Range(0x1010, 0x1020), Range(0x1040, 0x1048)));
}

TEST(RangesTest, SelectsTheBaseInOldLists) {
  const DebugSections debug{.ranges = ByteWriter().U64(UINT64_MAX).U64(0x5000).U64(1).U64(2).U64(0).U64(0).bytes() +
                                      ByteWriter().U32(UINT32_MAX).U32(0x6000).U32(1).U32(2).U32(0).U32(0).bytes()};
  EXPECT_THAT(Read(debug, Offset(0), {.version = 4, .low_pc = 0x1000}), ElementsAre(Range(0x5001, 0x5002)));
  EXPECT_THAT(Read(debug, Offset(48), {.version = 3, .address_size = 4}), ElementsAre(Range(0x6001, 0x6002)));
}

TEST(RangesTest, AddsTheBaseOfASkeleton) {
  const DebugSections debug{.ranges = std::string(16, '\x7f') + ByteWriter().U64(1).U64(2).U64(0).U64(0).bytes()};
  EXPECT_THAT(Read(debug, Offset(0), {.version = 4, .bases = {.gnu_ranges = 16}}), ElementsAre(Range(1, 2)));
}

TEST(RangesTest, ReadsAllEntriesOfDwarf5) {
  const DebugSections debug{.addr = ByteWriter().U64(0x100).U64(0x200).U64(0x300).bytes(),
                            .rnglists = ByteWriter()
                                            .U8(kRleOffsetPair)
                                            .Uleb(1)
                                            .Uleb(2)
                                            .U8(kRleBaseAddress)
                                            .U64(0x5000)
                                            .U8(kRleOffsetPair)
                                            .Uleb(0x10)
                                            .Uleb(0x20)
                                            .U8(kRleBaseAddressx)
                                            .Uleb(2)
                                            .U8(kRleOffsetPair)
                                            .Uleb(0)
                                            .Uleb(4)
                                            .U8(kRleStartxEndx)
                                            .Uleb(0)
                                            .Uleb(1)
                                            .U8(kRleStartxLength)
                                            .Uleb(1)
                                            .Uleb(8)
                                            .U8(kRleStartEnd)
                                            .U64(0x900)
                                            .U64(0x910)
                                            .U8(kRleStartLength)
                                            .U64(0xa00)
                                            .Uleb(0x10)
                                            .U8(kRleEndOfList)
                                            .U8(kRleStartLength)
                                            .U64(0xb00)
                                            .Uleb(0x10)
                                            .bytes()};
  EXPECT_THAT(Read(debug, Offset(0), {.low_pc = 0x1000}),
              ElementsAre(Range(0x1001, 0x1002), Range(0x5010, 0x5020), Range(0x300, 0x304), Range(0x100, 0x200),
                          Range(0x200, 0x208), Range(0x900, 0x910), Range(0xa00, 0xa10)));
}

TEST(RangesTest, FindsListsByNumber) {
  // A header of 12 bytes, two offsets, two lists.
  const DebugSections debug{.rnglists = std::string(12, '\0') + ByteWriter()
                                                                    .U32(8)
                                                                    .U32(20)
                                                                    .U8(kRleStartLength)
                                                                    .U64(0x100)
                                                                    .Uleb(1)
                                                                    .U16(0)
                                                                    .U8(kRleStartLength)
                                                                    .U64(0x200)
                                                                    .Uleb(2)
                                                                    .U8(0)
                                                                    .bytes()};
  EXPECT_THAT(Read(debug, Index(0), {.bases = {.rnglists = 12}}), ElementsAre(Range(0x100, 0x101)));
  EXPECT_THAT(Read(debug, Index(1), {.bases = {.rnglists = 12}}), ElementsAre(Range(0x200, 0x202)));
  EXPECT_THAT(Read(debug, Index(1), {}), ElementsAre(Range(0x200, 0x202))) << "split units name no base";
  EXPECT_THAT(Read(debug, Index(1000), {}), IsEmpty());
  EXPECT_THAT(Read(debug, Index(UINT64_MAX), {}), IsEmpty());
  EXPECT_THAT(Read(debug, Index(0), {.bases = {.rnglists = UINT64_MAX}}), IsEmpty());
}

TEST(RangesTest, LeavesEmptyOnesOut) {
  const DebugSections debug{.ranges = ByteWriter().U64(5).U64(5).U64(9).U64(7).U64(1).U64(2).U64(0).U64(0).bytes()};
  EXPECT_THAT(Read(debug, Offset(0), {.version = 4}), ElementsAre(Range(1, 2)));
}

TEST(RangesTest, EndsWithTheSection) {
  DebugSections debug{.ranges = ByteWriter().U64(1).U64(2).U64(3).bytes(),
                      .rnglists = ByteWriter().U8(kRleStartEnd).U64(1).U64(2).U8(kRleStartxEndx).Uleb(9).bytes()};
  EXPECT_THAT(Read(debug, Offset(0), {.version = 4}), ElementsAre(Range(1, 2)));
  EXPECT_THAT(Read(debug, Offset(0), {}), ElementsAre(Range(1, 2)));
  EXPECT_THAT(Read(debug, Offset(UINT64_MAX), {.version = 4}), IsEmpty());
  EXPECT_THAT(Read(debug, Offset(UINT64_MAX), {}), IsEmpty());
  debug.rnglists = std::string(1, '\x77');
  EXPECT_THAT(Read(debug, Offset(0), {}), IsEmpty()) << "an unknown entry";
}

TEST(RangesTest, EndsListsThatHaveNoEnd) {
  ByteWriter many;
  for (int i = 0; i < 200'000; ++i) many.U8(kRleStartLength).U64(0x1000 + i).Uleb(1);
  const size_t ranges = Read({.rnglists = many.bytes()}, Offset(0), {}).size();
  EXPECT_GT(ranges, 1000u);
  EXPECT_LT(ranges, 100'000u);
}

}  // namespace
}  // namespace kiln::symbolizer::dwarf
