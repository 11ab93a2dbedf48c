// SPDX-License-Identifier: Apache-2.0
// The row that the walk finds for an address (bpf/walk_table.bpf.h, find_row) against a linear search, on random pages.
// Which row it took shows in where it reads the return address first.
#include <gtest/gtest.h>

#include <elf.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "agent/unwind/table_page.h"
#include "agent/unwind/testing/page.h"
#include "agent/unwind/testing/replay_process.h"
#include "symbolizer/unwind/page_builder.h"

#if defined(KILN_X86)

namespace kiln::agent {
namespace {

using testing::MakePage;
using testing::PlacedRow;
using testing::ReplayProcess;

constexpr uint64_t kCode = 0x400000;
constexpr uint64_t kStack = 0x7ffff0000000;
constexpr uint32_t kPageBytes = 1 << KILN_PAGE_SHIFT;

class FindRowTest : public ::testing::Test {
 protected:
  // Rows at these places, neighbours different from each other, in place 0 always.
  std::vector<PlacedRow> RowsAt(std::set<uint16_t> places) {
    places.insert(0);
    std::vector<PlacedRow> rows;
    for (const uint16_t place : places) {
      rows.push_back({.place = place, .kind = KILN_ROW_SP, .a = 1 + static_cast<uint32_t>(rows.size() % 2047)});
    }
    return rows;
  }
  std::set<uint16_t> RandomPlaces(size_t count, uint32_t first = 0, uint32_t end = kPageBytes) {
    std::set<uint16_t> places;
    std::uniform_int_distribution<uint32_t> place(first, end - 1);
    while (places.size() < count) places.insert(static_cast<uint16_t>(place(random_)));
    return places;
  }
  // Walks at each `stride`th address and at each row's edges.
  void CheckPage(const std::vector<uint32_t>& page, const std::vector<PlacedRow>& rows, uint32_t stride) {
    ASSERT_TRUE(ValidatePage(page).ok()) << ValidatePage(page);
    ReplayProcess process;
    // Not at the beginning of its value, so that an offset into the wrong object shows.
    const kiln_ref other = *process.memory().Allocate(kGranuleBytes);
    process.AddCode(kCode, kCode + kPageBytes, process.AddTable({page}));
    ASSERT_NE(other, 0u);
    const RangesRef where = *LayOutRanges(process.ranges, [&](size_t bytes) -> std::optional<RangeMemory> {
      const kiln_ref ref = *process.memory().Allocate(bytes);
      return RangeMemory(ref, process.memory().At<std::byte>(ref, bytes));
    });
    std::set<uint32_t> places;
    for (uint32_t place = 0; place < kPageBytes; place += stride) places.insert(place);
    for (const PlacedRow& row : rows) {
      places.insert(row.place);
      places.insert(row.place == 0 ? 0 : row.place - 1u);
    }
    size_t current = 0;
    process.regs.sp = kStack;
    for (const uint32_t place : places) {
      while (current + 1 < rows.size() && rows[current + 1].place <= place) ++current;
      process.regs.ip = kCode + place;
      ASSERT_EQ(process.WalkIn(where).stop, KILN_STOP_READ_FAULT);
      ASSERT_FALSE(process.reads.empty());
      ASSERT_EQ(process.reads.front().address, kStack + uint64_t{rows[current].a} * 8 - 8)
          << "at " << place << " in row " << current << " of " << rows.size();
    }
  }
  void CheckRows(const std::vector<PlacedRow>& rows, uint32_t stride = 1) { CheckPage(MakePage(rows), rows, stride); }

  std::mt19937 random_{1};
};

TEST_F(FindRowTest, OneRowIsInForceEverywhere) { CheckRows(RowsAt({})); }

TEST_F(FindRowTest, RowsAtTheEdgesOfBlocks) {
  std::set<uint16_t> edges;
  for (uint32_t block = 0; block < KILN_PAGE_BLOCKS; ++block) {
    edges.insert(static_cast<uint16_t>(block * 256));
    if (block % 2 == 0) edges.insert(static_cast<uint16_t>(block * 256 + 255));
  }
  CheckRows(RowsAt(edges));
}

TEST_F(FindRowTest, EmptyBlocksTakeTheRowBefore) {
  CheckRows(RowsAt({1, 0x7fff, 0x8000, 0xffff}));
  CheckRows(RowsAt({0xff00}));
  CheckRows(RowsAt({0xff}));
}

TEST_F(FindRowTest, EachNumberOfRowsInABlock) {
  // The bisect has another number of steps from eight rows on.
  for (const size_t count : {1, 2, 3, 6, 7, 8, 9, 15, 16, 127, 128, 254, 255, 256}) {
    CheckRows(RowsAt(RandomPlaces(count, 0x300, 0x400)), 64);
    CheckRows(RowsAt(RandomPlaces(count, 0, 0x100)), 64);
    CheckRows(RowsAt(RandomPlaces(count, 0xff00, 0x10000)), 64);
  }
}

TEST_F(FindRowTest, APageThatIsFullOfRows) {
  std::vector<PlacedRow> rows = RowsAt(RandomPlaces(kMaxPageWords - kMinPageWords));
  rows.resize(kMaxPageWords - testing::kPageRowsAt);
  CheckRows(rows, 16);
}

TEST_F(FindRowTest, RandomPages) {
  for (int i = 0; i < 20; ++i) {
    const size_t count = 1 + random_() % (i % 2 == 0 ? 20 : 3000);
    CheckRows(RowsAt(RandomPlaces(count)), 37);
  }
}

TEST_F(FindRowTest, PagesAsTheCompilerPacksThem) {
  for (int i = 0; i < 10; ++i) {
    const std::vector<PlacedRow> rows = RowsAt(RandomPlaces(500 + random_() % 2000));
    symbolizer::PageBuilder builder(*symbolizer::FindUnwindMachine(EM_X86_64));
    builder.Start(ElfAddress(0x10000));
    builder.SetWindow(ElfAddress(0x10000), ElfAddress(0x20000), ElfAddress(0x10000));
    for (const PlacedRow& row : rows) {
      builder.Add(ElfAddress(0x10000 + row.place), {.cfa_kind = KILN_CFA_REGISTER,
                                                    .cfa_register = KILN_X86_SP,
                                                    .ra_kind = KILN_VALUE_AT_CFA,
                                                    .cfa_offset = static_cast<int32_t>(row.a * 8),
                                                    .ra_offset = -8});
    }
    std::vector<uint32_t> page;
    ASSERT_TRUE(builder.Finish(page));
    CheckPage(page, rows, 61);
  }
}

}  // namespace
}  // namespace kiln::agent

#endif
