// SPDX-License-Identifier: Apache-2.0
// How the walk reads the user stack (bpf/stack_window.bpf.h): in windows, to the last readable byte, never in vain.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "agent/unwind/testing/page.h"
#include "agent/unwind/testing/replay_process.h"

#if defined(KILN_X86)

namespace kiln::agent {
namespace {

using testing::MakePage;
using testing::ReplayProcess;
using ::testing::SizeIs;

constexpr uint64_t kCode = 0x400000;
constexpr uint64_t kPage = 0x7ffff0001000;  // a page boundary
constexpr uint32_t kWindowBytes = 2048;

class WalkWindowTest : public ::testing::Test {
 protected:
  // Each frame takes `frame_words` words, the return address is the last of them.
  void SetFrame(uint32_t frame_words) {
    process_.ranges.clear();
    process_.AddCode(kCode, kCode + 0x10000, process_.AddTable({MakePage({{.place = 0, .a = frame_words}})}));
    process_.regs.ip = kCode;
  }
  // Frames of `frame_words` with the frame pointer saved `saved` words below the return address; code from 0x100 on
  // goes by the frame pointer.
  void SetFrameWithSavedPointer(uint32_t frame_words, uint32_t saved) {
    process_.ranges.clear();
    process_.AddCode(kCode, kCode + 0x10000,
                     process_.AddTable({MakePage({{.place = 0, .kind = KILN_ROW_SP, .a = frame_words, .b = saved + 1},
                                                  {.place = 0x100, .kind = KILN_ROW_FP, .a = 1}})}));
    process_.regs.ip = kCode;
    process_.regs.sp = kPage;
  }
  // `frames` return addresses from `sp` on; the last is zero.
  void SetStack(uint64_t sp, uint32_t frame_words, size_t frames) {
    std::vector<uint64_t> stack(frames * frame_words, 0xbad);
    for (size_t i = 1; i <= frames; ++i) stack[i * frame_words - 1] = i == frames ? 0 : kCode + i;
    process_.ClearMemory();
    process_.AddMemory(sp, stack);
    process_.regs.sp = sp;
  }
  size_t failed_reads() const {
    return static_cast<size_t>(std::ranges::count_if(
        process_.reads, [this](const ReplayProcess::Read& read) { return read.address + read.bytes > end_; }));
  }

  ReplayProcess process_;
  uint64_t end_ = 0;  // of the readable stack
};

TEST_F(WalkWindowTest, ADeepStackIsReadByTheWindow) {
  SetFrame(8);
  SetStack(kPage, 8, 192);  // 12 KiB
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(walked.frames, SizeIs(192));
  EXPECT_LE(process_.reads.size(), 192 * 64 / kWindowBytes + 6);
}

TEST_F(WalkWindowTest, AStackIsWalkedToItsLastWordWhereverItEnds) {
  for (const uint32_t frame_words : {1, 2, 3, 7, 64}) {
    SetFrame(frame_words);
    for (size_t frames = 1; frames <= 300; frames += frames < 40 ? 1 : 13) {
      // The stack ends with a page, as threads' stacks do.
      SetStack(kPage - frames * frame_words * 8, frame_words, frames);
      const auto walked = process_.Walk();
      ASSERT_EQ(walked.stop, KILN_STOP_ROOT) << frames << " frames of " << frame_words;
      ASSERT_THAT(walked.frames, SizeIs(frames));
      // And anywhere, as the first thread's does.
      SetStack(kPage - 0x128, frame_words, frames);
      ASSERT_EQ(process_.Walk().stop, KILN_STOP_ROOT) << frames << " frames of " << frame_words;
    }
  }
}

TEST_F(WalkWindowTest, AtAStackThatEndsWithItsPageOneReadFails) {
  SetFrame(2);
  end_ = kPage;
  SetStack(kPage - 400 * 16, 2, 400);
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
  EXPECT_LE(failed_reads(), 1u);
}

TEST_F(WalkWindowTest, AnUnalignedStackIsWalked) {
  SetFrame(3);
  for (uint64_t off = 1; off < 8; ++off) {
    SetStack(kPage + off, 3, 200);
    const auto walked = process_.Walk();
    ASSERT_EQ(walked.stop, KILN_STOP_ROOT) << off;
    ASSERT_THAT(walked.frames, SizeIs(200));
  }
}

TEST_F(WalkWindowTest, FramesLargerThanTheWindowAreWalked) {
  SetFrame(KILN_ROW_FIELD_MAX);  // 16 KiB
  SetStack(kPage, KILN_ROW_FIELD_MAX, 10);
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(walked.frames, SizeIs(10));
}

TEST_F(WalkWindowTest, BehindAGapLittleIsRead) {
  constexpr uint32_t kFarWindowBytes = 512;
  SetFrame(1024);
  SetStack(kPage, 1024, 10);
  EXPECT_THAT(process_.Walk().frames, SizeIs(10));
  ASSERT_GE(process_.reads.size(), 10u);  // the last one comes upon the end
  for (size_t i = 1; i < 9; ++i) EXPECT_EQ(process_.reads[i].bytes, kFarWindowBytes) << i;
  // Without gaps again, so are the windows.
  SetFrame(8);
  SetStack(kPage, 8, 192);
  EXPECT_THAT(process_.Walk().frames, SizeIs(192));
  EXPECT_EQ(process_.reads[2].bytes, kWindowBytes);
}

TEST_F(WalkWindowTest, ReadsWhatDoesNotFitIntoAShortWindow) {
  for (const uint32_t saved : {1u, 61u, 62u, 63u, 64u, 65u, 66u, 200u}) {
    SetFrameWithSavedPointer(1000, saved);
    std::vector<uint64_t> stack(3010, 0xbad);
    stack[999] = kCode + 1;
    stack[1999] = kCode + 0x101;
    stack[1999 - saved] = kPage + 3000 * 8;  // FP
    stack[3000] = 0;
    process_.ClearMemory();
    process_.AddMemory(kPage, stack);
    const auto walked = process_.Walk();
    EXPECT_EQ(walked.stop, KILN_STOP_ROOT) << saved;
    EXPECT_THAT(walked.frames, SizeIs(3)) << saved;
  }
}

TEST_F(WalkWindowTest, AFramePointerSavedFarBelowTheReturnAddressIsRead) {
  // Saved registers lie up to 8 KiB apart: not in one window.
  for (const uint32_t saved : {1u, 126u, 127u, 128u, 129u, 254u, 255u, 256u, 257u, 1000u}) {
    SetFrameWithSavedPointer(1001, saved);
    std::vector<uint64_t> stack(1010, 0xbad);
    stack[1000] = kCode + 0x101;
    stack[1000 - saved] = kPage + 1005 * 8;  // FP
    stack[1005] = 0;
    process_.AddMemory(kPage, stack);
    EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT) << saved;
  }
}

TEST_F(WalkWindowTest, AHoleInTheStackEndsTheWalkWithAReadFault) {
  SetFrame(2);
  SetStack(kPage, 2, 100);
  process_.AddMemory(kPage, std::vector<uint64_t>(21, kCode + 1));  // ten frames and a half
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_READ_FAULT);
  EXPECT_THAT(walked.frames, SizeIs(11));
}

TEST_F(WalkWindowTest, ReadsAtTheEndsOfTheAddressSpaceFailAndEnd) {
  SetFrame(1);
  for (const uint64_t sp : {~uint64_t{0}, ~uint64_t{0} - 7, ~uint64_t{0} - 2047, uint64_t{0}, uint64_t{1} << 63}) {
    process_.regs.sp = sp;
    const kiln_stop stop = process_.Walk().stop;
    EXPECT_TRUE(stop == KILN_STOP_READ_FAULT || stop == KILN_STOP_NO_PROGRESS) << sp;
  }
}

TEST_F(WalkWindowTest, AWindowOfAnEarlierWalkIsForgotten) {
  SetFrame(1);
  SetStack(kPage, 1, 5);
  EXPECT_THAT(process_.Walk().frames, SizeIs(5));
  SetStack(kPage, 1, 3);
  EXPECT_THAT(process_.Walk().frames, SizeIs(3));
}

}  // namespace
}  // namespace kiln::agent

#endif
