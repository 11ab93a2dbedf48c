// SPDX-License-Identifier: Apache-2.0
// Which FDE counts where: order, gaps, overlaps, duplicates, damage.
#include "symbolizer/unwind/cfi_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "symbolizer/testing/row_list.h"

namespace kiln::symbolizer {
namespace {

using testing::Bytes;
using testing::CfiBuilder;
using ::testing::ElementsAre;
using testing::Le;
using ::testing::Pair;
using testing::TestCfi;
using testing::X86Rule;

constexpr uint64_t kSection = 0x2000;

// A function whose CFA is RSP + `offset` all over, to tell them apart.
std::string Function(int offset) { return Bytes({0x0e, offset}); }

std::vector<std::pair<uint64_t, uint64_t>> Extents(CfiRows& rows) {
  std::vector<std::pair<uint64_t, uint64_t>> extents;
  std::optional<CodeExtent> extent = rows.Next(ElfAddress(0));
  while (extent) {
    extents.emplace_back(extent->begin.value(), extent->end.value());
    extent = rows.Next(extent->end);
  }
  return extents;
}

TEST(CfiRows, FindsTheExtentOfAnAddressOrTheNextOne) {
  CfiBuilder builder(true, kSection);
  const uint64_t cie = builder.AddCie({});
  builder.AddFde(cie, 0x1000, 0x10, Function(8));
  builder.AddFde(cie, 0x1020, 0x10, Function(16));
  TestCfi cfi(builder);
  const auto begin = [&](uint64_t address) { return cfi.rows().Next(ElfAddress(address))->begin.value(); };
  EXPECT_EQ(begin(0), 0x1000u);
  EXPECT_EQ(begin(0x100f), 0x1000u);
  EXPECT_EQ(begin(0x1010), 0x1020u);
  EXPECT_EQ(begin(0x102f), 0x1020u);
  EXPECT_FALSE(cfi.rows().Next(ElfAddress(0x1030)));
  EXPECT_THAT(cfi.RowsAt(0x1025), ElementsAre(Pair(0x1020, X86Rule(KILN_X86_SP, 16))));
  EXPECT_TRUE(cfi.RowsAt(0x1018).empty());
}

TEST(CfiRows, TellsWhereAGapBegins) {
  CfiBuilder builder(true, kSection);
  const uint64_t cie = builder.AddCie({});
  builder.AddFde(cie, 0x1000, 0x10, Function(8));
  builder.AddFde(cie, 0x1020, 0x10, Function(16));
  TestCfi cfi(builder);
  EXPECT_EQ(cfi.rows().EndBefore(ElfAddress(0xfff)), ElfAddress(0));
  EXPECT_EQ(cfi.rows().EndBefore(ElfAddress(0x1018)), ElfAddress(0x1010));
  EXPECT_EQ(cfi.rows().EndBefore(ElfAddress(0x5000)), ElfAddress(0x1030));
}

TEST(CfiRows, SectionsNeedNoOrder) {
  CfiBuilder builder(true, kSection);
  const uint64_t cie = builder.AddCie({});
  builder.AddFde(cie, 0x1020, 0x10, Function(16));
  builder.AddFde(cie, 0x1000, 0x10, Function(8));
  const uint64_t second = builder.AddCie({.augmentation = "zRS"});
  builder.AddFde(second, 0x1010, 0x8, Function(24));
  TestCfi cfi(builder);
  EXPECT_THAT(Extents(cfi.rows()), ElementsAre(Pair(0x1000, 0x1010), Pair(0x1010, 0x1018), Pair(0x1020, 0x1030)));
  EXPECT_EQ(cfi.RowsAt(0x1010)[0x1010].flags, KILN_RULE_SIGNAL_FRAME) << "each with its own CIE";
  EXPECT_EQ(cfi.RowsAt(0x1020)[0x1020].flags, 0);
}

TEST(CfiRows, TheLaterOneOfOverlappingFdesCounts) {
  CfiBuilder builder(true, kSection);
  const uint64_t cie = builder.AddCie({});
  builder.AddFde(cie, 0x1000, 0x100, Function(8) + Bytes({0x60, 0x0e, 32}));
  builder.AddFde(cie, 0x1010, 0x10, Function(16));
  TestCfi cfi(builder);
  EXPECT_THAT(Extents(cfi.rows()), ElementsAre(Pair(0x1000, 0x1010), Pair(0x1010, 0x1020)));
  EXPECT_THAT(cfi.RowsAt(0x1000), ElementsAre(Pair(0x1000, X86Rule(KILN_X86_SP, 8))));
  EXPECT_GE(cfi.counts()[UnwindIssue::kOverlappingFde], 1u);
}

TEST(CfiRows, TheLongestOfSeveralWithOneBeginCounts) {
  CfiBuilder builder(true, kSection);
  const uint64_t cie = builder.AddCie({});
  builder.AddFde(cie, 0x1000, 0x10, Function(8));
  builder.AddFde(cie, 0x1000, 0x20, Function(16));
  builder.AddFde(cie, 0x1000, 0x8, Function(24));
  TestCfi cfi(builder);
  EXPECT_THAT(Extents(cfi.rows()), ElementsAre(Pair(0x1000, 0x1020)));
  EXPECT_THAT(cfi.RowsAt(0x1000), ElementsAre(Pair(0x1000, X86Rule(KILN_X86_SP, 16))));
  EXPECT_EQ(cfi.counts()[UnwindIssue::kDuplicateFde], 2u);
}

TEST(CfiRows, EmptyAndDiscardedFdesAreLeftOut) {
  CfiBuilder builder(false, 0);
  const uint64_t cie = builder.AddCie({.augmentation = ""});
  builder.AddFde(cie, 0, 0x1000, Function(8));
  builder.AddFde(cie, 0x1000, 0x20, Function(16));
  builder.AddFde(cie, 0x1010, 0, Function(24));
  TestCfi cfi(builder);
  EXPECT_THAT(Extents(cfi.rows()), ElementsAre(Pair(0x1000, 0x1020)));
  EXPECT_EQ(cfi.counts()[UnwindIssue::kDiscardedFde], 1u);
  EXPECT_EQ(cfi.counts()[UnwindIssue::kEmptyFde], 1u);
}

TEST(CfiRows, AnFdeNeedsItsCie) {
  CfiBuilder builder(true, kSection);
  const uint64_t cie = builder.AddCie({});
  const uint64_t fde = builder.AddFde(cie, 0x1000, 0x10, Function(8));
  builder.AddFde(fde, 0x1010, 0x10, Function(8));         // points to an FDE
  builder.AddFde(0x77777777, 0x1020, 0x10, Function(8));  // points out of the section
  TestCfi cfi(builder);
  EXPECT_THAT(Extents(cfi.rows()), ElementsAre(Pair(0x1000, 0x1010)));
  EXPECT_EQ(cfi.counts()[UnwindIssue::kCieMissing], 2u);
}

TEST(CfiRows, ACutSectionGivesWhatIsThere) {
  CfiBuilder builder(true, kSection);
  const uint64_t cie = builder.AddCie({});
  builder.AddFde(cie, 0x1000, 0x10, Function(8));
  builder.AddRaw(Le<uint32_t>(0x1000) + Bytes({1, 2, 3}));
  TestCfi cfi(builder);
  EXPECT_THAT(Extents(cfi.rows()), ElementsAre(Pair(0x1000, 0x1010)));
  EXPECT_EQ(cfi.counts()[UnwindIssue::kEntryCut], 1u);
}

TEST(CfiRows, AnotherRegisterMayBeTrackedLater) {
  CfiBuilder builder(true, kSection);
  const uint64_t cie = builder.AddCie({});
  builder.AddFde(cie, 0x1000, 0x10, Bytes({0x41, 0x83, 2}));
  TestCfi cfi(builder);
  EXPECT_EQ(cfi.RowsAt(0x1000).size(), 1u) << "RBX is not looked at";
  cfi.rows().Track(3);
  EXPECT_EQ(cfi.RowsAt(0x1000).size(), 2u);
  EXPECT_EQ(cfi.RowsAt(0x1000)[0x1001].other_kind, KILN_VALUE_AT_CFA);
}

}  // namespace
}  // namespace kiln::symbolizer
