// SPDX-License-Identifier: Apache-2.0
// What the walk remembers from sample to sample: rows by address, pages by code (bpf/memory.bpf.h, struct row_memo and
// struct code_entry).
#include <gtest/gtest.h>

#include <vector>

#include "agent/unwind/testing/page.h"
#include "agent/unwind/testing/replay_process.h"

#if defined(KILN_X86)

namespace kiln::agent {
namespace {

using testing::MakePage;
using testing::ReplayProcess;

constexpr uint64_t kCode = 0x400000;
constexpr uint64_t kStack = 0x7ffff0000000;

class WalkMemoTest : public ::testing::Test {
 protected:
  WalkMemoTest() {
    static uint32_t last_stamp = 0;
    process_.stamp = last_stamp += 100;
    process_.regs.ip = kCode;
    process_.regs.sp = kStack;
    process_.AddMemory(kStack, {kCode + 0x101, 0, 0, 0});
  }
  void SetTable(const std::vector<testing::PlacedRow>& rows, uint8_t tracked = KILN_NO_REGISTER) {
    table_ = process_.AddTable({MakePage(rows)}, tracked);
    process_.AddCode(kCode, kCode + 0x10000, table_);
  }
  kiln_directory* directory() { return process_.memory().At<kiln_directory>(table_); }
  // Rows are remembered beyond the page that they were found in.
  bool WalksByMemory() {
    directory()->pages[0] = KILN_PAGE_FAILED;
    ++process_.generation;
    return process_.Walk().stop == KILN_STOP_ROOT;
  }

  ReplayProcess process_;
  kiln_ref table_ = 0;
};

TEST_F(WalkMemoTest, RowsOfAProcessAreRemembered) {
  SetTable({{.place = 0, .a = 1}, {.place = 0x100, .a = 2}});
  const auto first = process_.Walk();
  EXPECT_EQ(first.stop, KILN_STOP_ROOT);
  EXPECT_TRUE(WalksByMemory());
  EXPECT_EQ(process_.Walk().frames, first.frames);
}

TEST_F(WalkMemoTest, OtherProcessesDoNotShareThem) {
  SetTable({{.place = 0, .a = 1}});
  process_.Walk();
  ++process_.stamp;
  EXPECT_FALSE(WalksByMemory());
}

TEST_F(WalkMemoTest, NothingIsRememberedWithoutAStamp) {
  process_.stamp = 0;
  SetTable({{.place = 0, .a = 1}});
  process_.Walk();
  EXPECT_FALSE(WalksByMemory());
}

TEST_F(WalkMemoTest, EachEpochLooksAtThePageAgain) {
  SetTable({{.place = 0, .a = 1}});
  process_.Walk();
  process_.epoch = 2;
  process_.Walk();
  EXPECT_EQ(process_.memory().At<kiln_page>(directory()->pages[0])->last_used, 2u);
  EXPECT_TRUE(WalksByMemory());
}

TEST_F(WalkMemoTest, RowsOfFilesThatTrackARegisterAreNot) {
  SetTable({{.place = 0, .a = 1}}, KILN_X86_R12);
  process_.Walk();
  EXPECT_FALSE(WalksByMemory());
}

TEST_F(WalkMemoTest, PagesAreRememberedWithinAGeneration) {
  SetTable({{.place = 0, .a = 1}}, KILN_X86_R12);  // no row is
  process_.Walk();
  directory()->pages[0] = KILN_PAGE_FAILED;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
  ++process_.generation;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_NO_CFI);
}

TEST_F(WalkMemoTest, PagesAreRememberedWithinAnEpoch) {
  SetTable({{.place = 0, .a = 1}}, KILN_X86_R12);
  process_.Walk();
  process_.epoch = 2;
  process_.Walk();
  EXPECT_EQ(process_.memory().At<kiln_page>(directory()->pages[0])->last_used, 2u);
}

TEST_F(WalkMemoTest, OtherProcessesDoNotSharePages) {
  SetTable({{.place = 0, .a = 1}}, KILN_X86_R12);
  process_.Walk();
  directory()->pages[0] = KILN_PAGE_FAILED;
  ++process_.stamp;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_NO_CFI);
}

TEST_F(WalkMemoTest, DerivedRowsAreCountedFromMemoryToo) {
  SetTable({{.place = 0, .kind = KILN_ROW_OTHER, .a = 1}});
  EXPECT_EQ(process_.Walk().derived, 2u);
  EXPECT_TRUE(WalksByMemory());
  EXPECT_EQ(process_.Walk().derived, 2u);
}

TEST_F(WalkMemoTest, AnAddressWithHighBitsIsNotTakenForARememberedOne) {
  // The key of a remembered address has the epoch in its upper bits.
  SetTable({{.place = 0, .a = 1}});
  process_.epoch = 3;
  process_.AddMemory(kStack, {0});
  for (const uint64_t high : {1, 2, 3}) {
    process_.regs.ip = kCode;
    EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
    // The memo's place is chosen by more bits than the key has room for.
    process_.regs.ip = kCode | high << 48;
    EXPECT_EQ(process_.Walk().stop, KILN_STOP_RANGE_UNKNOWN) << high;
  }
}

}  // namespace
}  // namespace kiln::agent

#endif
