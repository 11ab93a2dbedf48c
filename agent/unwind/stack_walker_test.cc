// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/stack_walker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "agent/unwind/testing/page.h"
#include "agent/unwind/testing/replay_process.h"

#if defined(KILN_X86)

namespace kiln::agent {
namespace {

using testing::At;
using ::testing::ElementsAre;
using testing::FramesOf;
using testing::ReturnTo;
using ::testing::SizeIs;

constexpr uint64_t kCode = 0x400000;
constexpr uint64_t kStack = 0x7ffff0000008;

class StackWalkerTest : public ::testing::Test {
 protected:
  StackWalkerTest() {
    const std::vector<uint32_t> page = testing::MakePage({{.place = 0, .a = 1}});
    const kiln_ref page_ref = *memory_.Allocate(page.size() * 4);
    std::memcpy(memory_.Words(page_ref).data(), page.data(), page.size() * 4);
    directory_ = *memory_.Allocate(64);
    auto* directory = memory_.At<kiln_directory>(directory_);
    directory->page_count = 1;
    directory->tracked = KILN_NO_REGISTER;
    directory->pages[0] = page_ref;
    ranges_ = {{.start = kCode, .end = kCode + 0x10000, .base = kCode, .ref = directory_, .walker = KILN_WALKER_TABLE}};
    header_.regs.cs = 0x33;
    header_.regs.ip = kCode;
    header_.regs.sp = kStack;
  }
  StackWalker::Walked Walk(const std::vector<uint64_t>& stack, uint64_t version = 1) {
    stack_.assign(KILN_RED_ZONE_BYTES, std::byte{0xff});
    stack_.resize(KILN_RED_ZONE_BYTES + stack.size() * 8);
    std::memcpy(stack_.data() + KILN_RED_ZONE_BYTES, stack.data(), stack.size() * 8);
    return walker_.Walk({.header = &header_, .bytes = stack_}, ranges_, version, 1);
  }

  HeapChunks chunks_;
  TableMemory memory_{chunks_, 1 << 20};
  StackWalker walker_{memory_};
  kiln_ref directory_ = 0;
  std::vector<kiln_code_range> ranges_;
  kiln_stack header_{};
  std::vector<std::byte> stack_;
};

TEST_F(StackWalkerTest, WalksTheCopyFromTheStackPointerOn) {
  const auto walked = Walk({kCode + 1, kCode + 2, 0});
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_FALSE(walked.derived);
  EXPECT_THAT(FramesOf(walked.words), ElementsAre(At(kCode), ReturnTo(kCode + 1), ReturnTo(kCode + 2)));
}

TEST_F(StackWalkerTest, SaysSoWhereTheCopyEnds) {
  const auto walked = Walk({kCode + 1, kCode + 2});
  EXPECT_EQ(walked.stop, KILN_STOP_STACK_COPY_ENDS);
  EXPECT_THAT(FramesOf(walked.words), SizeIs(3));
  stack_.resize(KILN_RED_ZONE_BYTES + 15);  // half a word
  EXPECT_EQ(walker_.Walk({.header = &header_, .bytes = stack_}, ranges_, 1, 1).stop, KILN_STOP_STACK_COPY_ENDS);
  EXPECT_EQ(walker_.Walk({.header = &header_, .bytes = {}}, ranges_, 1, 1).stop, KILN_STOP_STACK_COPY_ENDS);
}

TEST_F(StackWalkerTest, GoesAcrossHolesInWhichNoFrameKeepsAnything) {
  // A frame of 12 KiB whose middle was never touched, from 64 bytes below the end of a page on.
  header_.regs.sp = 0x7ffff0000fc0;
  auto* page = memory_.At<kiln_page>(memory_.At<kiln_directory>(directory_)->pages[0]);
  page->rows[0] = KILN_ROW(0, KILN_ROW_SP, 1536, 0);
  std::vector<uint64_t> stack(2 * 1536);
  stack[1535] = kCode + 1;  // 64 bytes below the end of the third page behind
  header_.holes = 0b110;
  EXPECT_EQ(Walk(stack).stop, KILN_STOP_ROOT);
  EXPECT_EQ(walker_.Walk({.header = &header_, .bytes = stack_}, ranges_, 1, 1).words.size(), 2u);
  header_.holes = 0b1000;
  EXPECT_EQ(Walk(stack).stop, KILN_STOP_STACK_COPY_ENDS);
  header_.holes = 0b1000000;  // that of the next one's
  EXPECT_EQ(Walk(stack).stop, KILN_STOP_STACK_COPY_ENDS);
}

TEST_F(StackWalkerTest, ReadsTheRedZoneBelowTheStackPointer) {
  // A leaf that has put its frame pointer below SP: CFA = SP + 8, RBP at CFA - 32.
  auto* page = memory_.At<kiln_page>(memory_.At<kiln_directory>(directory_)->pages[0]);
  page->rows[0] = KILN_ROW(0, KILN_ROW_SP, 1, 4);
  stack_.resize(KILN_RED_ZONE_BYTES + 8);
  EXPECT_EQ(walker_.Walk({.header = &header_, .bytes = stack_}, ranges_, 1, 1).stop, KILN_STOP_ROOT);
}

TEST_F(StackWalkerTest, OtherRangesTakeEffectWithTheirVersion) {
  EXPECT_EQ(Walk({0}, 1).stop, KILN_STOP_ROOT);
  ranges_[0].start = kCode + 0x1000;
  EXPECT_EQ(Walk({0}, 2).stop, KILN_STOP_RANGE_UNKNOWN);
  ranges_.clear();
  EXPECT_EQ(Walk({0}, 3).stop, KILN_STOP_RANGE_UNKNOWN);
}

TEST_F(StackWalkerTest, TakesMoreRangesThanOneArrayHolds) {
  ranges_.clear();
  for (uint64_t i = 0; i < 5000; ++i) {
    const uint64_t start = kCode + i * 0x20000;
    ranges_.push_back(
        {.start = start, .end = start + 0x10000, .base = start, .ref = directory_, .walker = KILN_WALKER_TABLE});
  }
  const auto walked = Walk({ranges_[4999].start + 1, ranges_[2047].start + 1, ranges_[2046].end, 0});
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(FramesOf(walked.words), SizeIs(4));
}

TEST_F(StackWalkerTest, AStackAtTheEndOfTheAddressSpaceIsNoTrouble) {
  for (const uint64_t sp : {~uint64_t{0}, ~uint64_t{0} - 7, ~uint64_t{0} - 63}) {
    header_.regs.sp = sp;
    const kiln_stop stop = Walk({kCode + 1, kCode + 1}).stop;
    EXPECT_TRUE(stop == KILN_STOP_STACK_COPY_ENDS || stop == KILN_STOP_NO_PROGRESS) << sp;
  }
}

}  // namespace
}  // namespace kiln::agent

#endif
