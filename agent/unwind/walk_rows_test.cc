// SPDX-License-Identifier: Apache-2.0
// The walk over plain rows, special rows and frame pointers (bpf/walk.bpf.h, walk_frame.bpf.h), on pages made by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "agent/unwind/testing/page.h"
#include "agent/unwind/testing/replay_process.h"

#if defined(KILN_X86)

namespace kiln::agent {
namespace {

using testing::At;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::MakePage;
using testing::PlacedRow;
using testing::ReplayProcess;
using testing::ReturnTo;
using testing::RuleRow;
using ::testing::SizeIs;

constexpr uint64_t kCode = 0x400000, kCodeEnd = 0x410000;
constexpr uint64_t kJit = 0x7e0000000000, kJitEnd = 0x7e0000010000;
constexpr uint64_t kStack = 0x7ffff0000000;

class WalkRowsTest : public ::testing::Test {
 protected:
  WalkRowsTest() {
    process_.regs.ip = kCode;
    process_.regs.sp = kStack;
  }
  void SetRows(const std::vector<PlacedRow>& rows, const std::vector<kiln_rule>& rules = {}) {
    process_.AddCode(kCode, kCodeEnd, process_.AddTable({MakePage(rows, rules)}));
  }
  void AddJit() { process_.AddCode(kJit, kJitEnd, 0, KILN_WALKER_FRAME_POINTER); }

  ReplayProcess process_;
};

TEST_F(WalkRowsTest, SpRowTakesTheReturnAddressBelowTheCfaAndKeepsTheFramePointer) {
  SetRows({{.place = 0, .kind = KILN_ROW_SP, .a = 3},  // CFA = SP + 24
           {.place = 0x100, .kind = KILN_ROW_FP, .a = 2}});
  process_.regs.bp = kStack + 0x40;
  process_.AddMemory(kStack, {1, 2, kCode + 0x101, 3, 4, 5, 6, 7, 8, /* bp + 8 */ 0});
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(walked.frames, ElementsAre(At(kCode), ReturnTo(kCode + 0x101)));
  EXPECT_EQ(walked.derived, 0u);
}

TEST_F(WalkRowsTest, FpRowRestoresTheSavedFramePointer) {
  // Two frames by FP; the second's frame pointer is what the first has saved.
  SetRows({{.place = 0, .kind = KILN_ROW_FP, .a = 2, .b = 2}});
  process_.regs.bp = kStack + 8;
  process_.AddMemory(kStack, {0, /* bp */ kStack + 0x20, kCode + 0x11, 0, /* kStack + 0x20 */ 0, 0});
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(walked.frames, ElementsAre(At(kCode), ReturnTo(kCode + 0x11)));
}

TEST_F(WalkRowsTest, SpRowFindsTheFramePointerWhereItWasPushed) {
  SetRows({{.place = 0, .kind = KILN_ROW_SP, .a = 4, .b = 3}, {.place = 0x200, .kind = KILN_ROW_FP, .a = 1}});
  process_.AddMemory(kStack, {1, /* CFA - 24 */ kStack + 0x38, 2, kCode + 0x201, 3, 4, 5, /* kStack + 0x38 */ 0});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
}

TEST_F(WalkRowsTest, DerivedRowsAreCountedAndWalkedLikeSpRows) {
  SetRows({{.place = 0, .kind = KILN_ROW_OTHER, .a = 1}});
  process_.AddMemory(kStack, {kCode + 1, kCode + 2, 0});
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_EQ(walked.derived, 3u);
  EXPECT_THAT(walked.frames, SizeIs(3));
}

TEST_F(WalkRowsTest, AReturnAddressIsLookedUpOneByteBefore) {
  // A call of a function that does not return may be the last instruction of its row, and of its range.
  SetRows({{.place = 0, .a = 1}, RuleRow(0x80, KILN_SPECIAL_DAMAGED)});
  process_.AddMemory(kStack, {kCode + 0x80, kCode + 0x81});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_DAMAGED);
  EXPECT_THAT(process_.Walk().frames, ElementsAre(At(kCode), ReturnTo(kCode + 0x80), ReturnTo(kCode + 0x81)));
  process_.AddMemory(kStack, {kCodeEnd});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_DAMAGED);  // the last row, not unknown code
  process_.AddMemory(kStack, {kCodeEnd + 1});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_RANGE_UNKNOWN);
}

TEST_F(WalkRowsTest, BehindASystemCallTheCodeIsOneByteBefore) {
  SetRows({RuleRow(0, KILN_SPECIAL_ROOT), {.place = 0x10, .a = 1}});  // exit, and the next function
  process_.AddMemory(kStack, {0});
  process_.regs.ip = process_.regs.cx = kCode + 0x10;
  process_.regs.orig_ax = 60;
  EXPECT_THAT(process_.Walk().frames, ElementsAre(ReturnTo(kCode + 0x10)));
  process_.ClearMemory();  // the row of exit reads none
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
  for (const auto& [orig_ax, cx] : {std::pair{~uint64_t{0}, kCode + 0x10}, std::pair{uint64_t{60}, kCode}}) {
    process_.regs.orig_ax = orig_ax;
    process_.regs.cx = cx;
    EXPECT_THAT(process_.Walk().frames, ElementsAre(At(kCode + 0x10)));
    EXPECT_EQ(process_.Walk().stop, KILN_STOP_READ_FAULT);
  }
}

TEST_F(WalkRowsTest, NothingHasCalledANewThreadWithAStackOfItsOwn) {
  constexpr uint64_t kArguments = kStack + 0x10000;
  SetRows({{.place = 0, .a = 1}});
  process_.AddMemory(kStack, {kCode + 1, 0});
  process_.AddMemory(kArguments - 8, {0, 0, 0, 0, 0, 0, /* stack */ 0x7000, 0x1000});
  auto& regs = process_.regs;
  regs.ip = regs.cx = kCode + 2;
  const auto frames_of = [&](uint64_t number, uint64_t result, uint64_t first, uint64_t second) {
    regs.orig_ax = number, regs.ax = result, regs.di = first, regs.si = second;
    const auto walked = process_.Walk();
    EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
    return walked.frames.size();
  };
  EXPECT_EQ(frames_of(56, 0, 0, 0x7000), 1u);                    // clone
  EXPECT_EQ(frames_of(56, 0, 0, 0), 2u);                         // like fork
  EXPECT_EQ(frames_of(56, 4711, 0, 0x7000), 2u);                 // its maker
  EXPECT_EQ(frames_of(435, 0, kArguments, 88), 1u);              // clone3
  EXPECT_EQ(frames_of(435, 0, kArguments - 8, 88), 2u);          // no stack
  EXPECT_EQ(frames_of(435, 0, 0x10, 88), 2u);                    // arguments can't be read
  EXPECT_EQ(frames_of(435, ~uint64_t{37}, kArguments, 88), 2u);  // its maker, not back yet
  EXPECT_EQ(frames_of(60, 0, kArguments, 88), 2u);
}

TEST_F(WalkRowsTest, SpecialRowsEndTheWalkWithTheirReason) {
  SetRows({RuleRow(0, KILN_SPECIAL_NO_CFI), RuleRow(1, KILN_SPECIAL_ROOT), RuleRow(2, KILN_SPECIAL_INEXPRESSIBLE),
           RuleRow(3, KILN_SPECIAL_DAMAGED), RuleRow(4, KILN_SPECIAL_UNCLEAR), RuleRow(5, KILN_FIRST_RULE)});
  const std::vector<kiln_stop> stops = {KILN_STOP_NO_CFI,  KILN_STOP_ROOT,    KILN_STOP_INEXPRESSIBLE,
                                        KILN_STOP_DAMAGED, KILN_STOP_UNCLEAR, /* no such rule */ KILN_STOP_DAMAGED};
  for (size_t i = 0; i < stops.size(); ++i) {
    process_.regs.ip = kCode + i;
    const auto walked = process_.Walk();
    EXPECT_EQ(walked.stop, stops[i]) << i;
    EXPECT_THAT(walked.frames, ElementsAre(At(kCode + i)));
  }
}

TEST_F(WalkRowsTest, ACfaThatIsNotAboveTheStackPointerIsNoProgress) {
  SetRows({{.place = 0, .kind = KILN_ROW_FP, .a = 2, .b = 2}});
  process_.AddMemory(kStack - 0x100, std::vector<uint64_t>(0x40, kCode + 1));
  for (const uint64_t below : {16, 24, 0x80}) {
    process_.regs.bp = kStack - below;
    EXPECT_EQ(process_.Walk().stop, KILN_STOP_NO_PROGRESS) << below;
  }
  process_.regs.bp = ~uint64_t{0} - 7;  // wraps around
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_NO_PROGRESS);
}

TEST_F(WalkRowsTest, AnUnreadableReturnAddressIsAReadFault) {
  SetRows({{.place = 0, .a = 2}});
  process_.AddMemory(kStack, {kCode + 1});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_READ_FAULT);
}

TEST_F(WalkRowsTest, PagesThatAreNotThereAndCodeBehindTheLastPageHaveReasons) {
  const std::vector<uint32_t> page = MakePage({{.place = 0, .a = 1}});
  const kiln_ref table = process_.AddTable({{}, page, page});
  process_.memory().Words(table)[offsetof(kiln_directory, pages) / 4 + 1] = KILN_PAGE_FAILED;
  process_.memory().Words(table)[offsetof(kiln_directory, pages) / 4 + 2] = KILN_PAGE_NO_ROOM;
  process_.AddCode(kCode, kCode + 0x40000, table);
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_TABLE_MISSING);
  process_.regs.ip = kCode + 0x10000;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_NO_CFI);
  process_.regs.ip = kCode + 0x20000;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_MEMORY_FULL);
  process_.regs.ip = kCode + 0x30000;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_NO_CFI);
}

TEST_F(WalkRowsTest, ATableThatIsNotThereIsMissing) {
  process_.AddCode(kCode, kCodeEnd, 0);
  process_.AddCode(kCodeEnd, kCodeEnd + 0x1000, 500u << KILN_REF_WORD_BITS);  // in no chunk
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_TABLE_MISSING);
  process_.regs.ip = kCodeEnd;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_TABLE_MISSING);
}

TEST_F(WalkRowsTest, APageNotesItsUseAndOthersDoNot) {
  const std::vector<uint32_t> page = MakePage({{.place = 0, .a = 1}});
  const kiln_ref table = process_.AddTable({page, page});
  process_.AddCode(kCode, kCode + 0x20000, table);
  process_.AddMemory(kStack, {0});
  process_.epoch = 7;
  process_.Walk();
  const auto* directory = process_.memory().At<kiln_directory>(table);
  EXPECT_EQ(process_.memory().At<kiln_page>(directory->pages[0])->last_used, 7u);
  EXPECT_EQ(process_.memory().At<kiln_page>(directory->pages[1])->last_used, 0u);
}

TEST_F(WalkRowsTest, ADirectoryMayBeginBelowItsMapping) {
  // A second mapping of one file: its base lies before its start, or wraps around below address 0.
  const kiln_ref table =
      process_.AddTable({MakePage({RuleRow(0, KILN_SPECIAL_DAMAGED)}),
                         MakePage({RuleRow(0, KILN_SPECIAL_NO_CFI), RuleRow(0x800, KILN_SPECIAL_ROOT)})});
  process_.AddCode(0x8000, 0x9000, table);
  process_.ranges.back().base = uint64_t{0x8000} - 0x10000;
  process_.regs.ip = 0x8000;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_NO_CFI);
  process_.regs.ip = 0x8800;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
}

TEST_F(WalkRowsTest, TheLastTwoRangesAreRememberedAndAThirdIsFoundAllTheSame) {
  std::vector<uint64_t> stack;
  const kiln_ref table = process_.AddTable({MakePage({{.place = 0, .a = 1}})});
  for (uint64_t i = 0; i < 4; ++i) process_.AddCode(kCode + i * 0x20000, kCode + i * 0x20000 + 0x10000, table);
  for (const uint64_t range : {0, 1, 0, 1, 2, 0, 1, 2, 3, 3, 0}) stack.push_back(kCode + range * 0x20000 + 0x10);
  std::vector<testing::WalkedFrame> expected = {At(kCode)};
  for (const uint64_t address : stack) expected.push_back(ReturnTo(address));
  stack.push_back(0);
  process_.AddMemory(kStack, stack);
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_EQ(walked.frames, expected);
}

TEST_F(WalkRowsTest, RangesOfAnEarlierWalkAreForgotten) {
  SetRows({RuleRow(0, KILN_SPECIAL_ROOT)});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
  process_.ranges.clear();
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_RANGE_UNKNOWN);
}

TEST_F(WalkRowsTest, UnknownCodeIsNoCodeIfAllIsKnown) {
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_RANGE_UNKNOWN);
  EXPECT_EQ(process_.Walk(KILN_PROCESS_ALL_KNOWN).stop, KILN_STOP_NOT_CODE);
}

TEST_F(WalkRowsTest, ARangeThatNothingWalksGivesItsReasonOrNone) {
  process_.AddCode(kCode, kCodeEnd, KILN_STOP_FILE_UNREADABLE, KILN_WALKER_NONE);
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_FILE_UNREADABLE);
  for (const uint32_t no_reason : {uint32_t{KILN_STOP_ROOT}, uint32_t{0}, uint32_t{KILN_STOP_COUNT}, ~uint32_t{0}}) {
    process_.ranges.back().ref = no_reason;
    EXPECT_EQ(process_.Walk().stop, KILN_STOP_NO_CFI) << no_reason;
  }
}

TEST_F(WalkRowsTest, ThirtyTwoBitCodeIsNotWalked) {
  SetRows({RuleRow(0, KILN_SPECIAL_ROOT)});
  process_.regs.cs = 0x23;
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_COMPAT_32BIT);
  EXPECT_THAT(walked.frames, ElementsAre(At(kCode)));
}

TEST_F(WalkRowsTest, TheDepthIsLimited) {
  SetRows({{.place = 0, .a = 1}});
  process_.AddMemory(kStack, std::vector<uint64_t>(KILN_MAX_USER_FRAMES + 100, kCode + 1));
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_DEPTH_LIMIT);
  EXPECT_THAT(walked.frames, SizeIs(KILN_MAX_USER_FRAMES));
}

TEST_F(WalkRowsTest, AStackOfExactlySoManyFramesIsWhole) {
  SetRows({{.place = 0, .a = 1}, RuleRow(0x100, KILN_SPECIAL_ROOT)});
  std::vector<uint64_t> stack(KILN_MAX_USER_FRAMES - 2, kCode + 1);
  stack.back() = kCode + 0x101;
  process_.AddMemory(kStack, stack);
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(walked.frames, SizeIs(KILN_MAX_USER_FRAMES - 1));
}

TEST_F(WalkRowsTest, ReturnAddressesNearTheirCalleesShareAWord) {
  constexpr uint64_t kFar = kCode + (uint64_t{1} << KILN_DIFFERENCE_BITS);
  const kiln_ref table = process_.AddTable({MakePage({{.place = 0, .a = 1}})});
  process_.AddCode(kCode, kCodeEnd, table);
  process_.AddCode(kFar, kFar + 0x10000, table);
  const std::vector<std::pair<std::vector<uint64_t>, uint32_t>> stacks = {
      {{}, 1},
      {{kCode + 9}, 2},
      {{kCode + 9, kCode + 5}, 2},
      {{kCode + 9, kCode + 5, kCode + 5}, 3},
      {{kFar + 9}, 2},
      {{kCode + 9, kFar + 9}, 3},
      {{kCode + 9, kFar + 9, kFar + 1, kFar + 2, kFar + 3}, 5},
      {{kFar + 9, kCode + 9, kCode + 1}, 4},
  };
  for (const auto& [returns, words] : stacks) {
    std::vector<uint64_t> stack = returns;
    stack.push_back(0);
    process_.AddMemory(kStack, stack);
    const auto walked = process_.Walk();
    std::vector<testing::WalkedFrame> frames = {At(kCode)};
    for (const uint64_t address : returns) frames.push_back(ReturnTo(address));
    EXPECT_EQ(walked.frames, frames);
    EXPECT_EQ(walked.word_count, words) << returns.size();
  }
}

TEST_F(WalkRowsTest, DifferencesEndAtTheirLimits) {
  constexpr int64_t kLimit = int64_t{1} << (KILN_DIFFERENCE_BITS - 1);
  process_.regs.ip = kStack;
  process_.AddCode(kStack, kStack + 0x1000, process_.AddTable({MakePage({{.place = 0, .a = 1}})}));
  for (const int64_t difference : {-kLimit - 1, -kLimit, kLimit - 1, kLimit}) {
    const uint64_t address = kStack + static_cast<uint64_t>(difference);
    process_.AddMemory(kStack, {address});
    const auto walked = process_.Walk();
    EXPECT_THAT(walked.frames, ElementsAre(At(kStack), ReturnTo(address)));
  }
}

TEST_F(WalkRowsTest, AddressesAbove48BitsTakeTwoWords) {
  SetRows({{.place = 0, .a = 1}});
  for (const uint64_t high : {uint64_t{1} << 47, uint64_t{1} << 48, uint64_t{1} << 63, ~uint64_t{0}}) {
    process_.AddMemory(kStack, {high});
    const auto walked = process_.Walk();
    EXPECT_EQ(walked.stop, KILN_STOP_RANGE_UNKNOWN) << high;
    EXPECT_THAT(walked.frames, ElementsAre(At(kCode), ReturnTo(high)));
    // Just below zero and just above are not far from each other.
    EXPECT_EQ(walked.word_count, high >> 48 == 0 || high == ~uint64_t{0} ? 2u : 3u);
    process_.regs.ip = high;
    EXPECT_THAT(process_.Walk().frames, ElementsAre(At(high)));
    process_.regs.ip = kCode;
  }
}

TEST_F(WalkRowsTest, CodeJustBelow63BitsIsWalkedAndFillsTheRecord) {
  // Two words each, since they lie far from each other: the words run out before the depth does.
  constexpr uint64_t kHigh = 0x7fffffffffff0000, kLower = kHigh - (uint64_t{1} << 40);
  const kiln_ref table = process_.AddTable({MakePage({{.place = 0, .a = 1}})});
  process_.AddCode(kLower, kLower + 0xffff, table);
  process_.AddCode(kHigh, kHigh + 0xffff, table);
  process_.regs.ip = kHigh;
  std::vector<uint64_t> stack;
  for (size_t i = 0; i < KILN_MAX_WORDS / 2; ++i) stack.push_back((i % 2 == 0 ? kLower : kHigh) + 1);
  process_.AddMemory(kStack, stack);
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_DEPTH_LIMIT);
  EXPECT_LT(walked.word_count, uint32_t{KILN_MAX_WORDS});
  EXPECT_THAT(walked.frames, SizeIs(KILN_MAX_WORDS / 2 - 1));
}

TEST_F(WalkRowsTest, GeneratedCodeIsWalkedByFramePointersToTheZeroOne) {
  AddJit();
  process_.regs.ip = kJit;
  process_.regs.bp = kStack + 8;
  process_.AddMemory(kStack, {0, kStack + 0x18, kJit + 1, /* kStack + 0x18 */ 0, kJit + 2});
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(walked.frames, ElementsAre(At(kJit), ReturnTo(kJit + 1), ReturnTo(kJit + 2)));
}

TEST_F(WalkRowsTest, ATableTakesOverWhereFramePointersLeftOffAndBack) {
  // Native code calls generated code calls native code: SP of the caller comes from the frame pointer, and FP from the
  // table.
  SetRows({{.place = 0, .kind = KILN_ROW_SP, .a = 2, .b = 2}, {.place = 0x100, .kind = KILN_ROW_SP, .a = 1}});
  AddJit();
  process_.AddMemory(kStack, {/* FP */ kStack + 0x18, kJit + 1,         // native leaf: CFA = kStack + 0x10
                              0, /* kStack + 0x18 */ 1, kCode + 0x101,  // generated; its caller's SP = kStack + 0x28
                              0});
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(walked.frames, ElementsAre(At(kCode), ReturnTo(kJit + 1), ReturnTo(kCode + 0x101)));
}

TEST_F(WalkRowsTest, AFramePointerThatCanBeNoneEndsTheWalk) {
  AddJit();
  process_.regs.ip = kJit;
  process_.AddMemory(kStack - 0x100, std::vector<uint64_t>(0x100, kJit + 1));
  for (const uint64_t bad : {kStack + 4, kStack - 8, uint64_t{8}}) {
    process_.regs.bp = bad;
    EXPECT_EQ(process_.Walk().stop, KILN_STOP_BAD_FRAME_POINTER) << bad;
  }
  for (const uint64_t unreadable : {kStack + 0x10000, ~uint64_t{0} - 7}) {
    process_.regs.bp = unreadable;
    EXPECT_EQ(process_.Walk().stop, KILN_STOP_READ_FAULT) << unreadable;
  }
}

TEST_F(WalkRowsTest, FramePointersThatLeadInACircleEndTheWalk) {
  AddJit();
  process_.regs.ip = kJit;
  process_.regs.bp = kStack;
  process_.AddMemory(kStack, {kStack, kJit + 1});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_BAD_FRAME_POINTER);
}

}  // namespace
}  // namespace kiln::agent

#endif
