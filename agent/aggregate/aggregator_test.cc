// SPDX-License-Identifier: Apache-2.0
#include "agent/aggregate/aggregator.h"

#include <gtest/gtest.h>

#include <deque>

namespace kiln::agent {
namespace {

class NoProcesses : public ProcessSystem {
 public:
  StatusOr<std::vector<Mapping>> ReadMaps(Pid pid) override { return absl::NotFoundError("none"); }
  bool IsAlive(Pid pid, uint64_t start_ns) override { return false; }
  uint64_t MonotonicNs() override { return 0; }
  bool ExecFollows(Pid pid, uint64_t time_ns) override { return false; }
};

uint64_t Leaf(uint64_t address) { return KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 1, address); }
uint64_t Caller(uint64_t address) { return KILN_FRAME_WORD(KILN_FRAME_NATIVE, KILN_FRAME_RETURN_ADDRESS, 1, address); }

class AggregatorTest : public ::testing::Test {
 protected:
  AggregatorTest() {
    // An image whose code is one anonymous range, so that addresses stay what they are.
    Exec(1);
  }

  void Exec(int pid) {
    aggregator_.OnSideBand({1, CommEvent{{pid}, {pid}, "x", true}});
    aggregator_.OnSideBand(
        {2, MmapEvent{.pid = {pid}, .start = ProcessAddress(0x1000), .length = 0x1000, .path = "//anon"}});
  }

  void Add(int pid, int tid, std::vector<uint64_t> kernel, std::vector<uint64_t> user, uint16_t flags = 0,
           kiln_stop user_stop = KILN_STOP_ROOT, const std::string& comm = "app",
           kiln_stop kernel_stop = KILN_STOP_ROOT) {
    identities_.push_back({.process_start_ns = 5, .thread_comm = comm, .process_comm = comm});
    aggregator_.OnSample({.time_ns = 10,
                          .pid = {pid},
                          .tid = {tid},
                          .flags = flags,
                          .kernel_stop = kernel.empty() ? KILN_STOP_NONE : kernel_stop,
                          .user_stop = user_stop,
                          .identity = &identities_.back(),
                          .kernel = kernel,
                          .user = user});
  }

  std::vector<uint64_t> Addresses(Aggregator::StackId stack) const {
    std::vector<uint64_t> addresses;
    for (const FrameIndex frame : aggregator_.stacks()[stack].located.frames) {
      addresses.push_back(locator_.frames()[frame].address);
    }
    return addresses;
  }

  NoProcesses system_;
  ProcessTable processes_{system_};
  Locator locator_{processes_};
  Aggregator aggregator_{processes_, locator_, [](const ThreadIdentity& i) { return i.thread_comm == "wanted"; }};
  std::deque<ThreadIdentity> identities_;
};

TEST_F(AggregatorTest, CountsEqualStacksOfAThreadTogether) {
  Add(1, 1, {}, {Leaf(0x1100), Caller(0x1200)});
  Add(1, 1, {}, {Leaf(0x1100), Caller(0x1200)});
  Add(1, 1, {}, {Leaf(0x1101), Caller(0x1200)});
  const Aggregate taken = aggregator_.Take();
  ASSERT_EQ(taken.counts.size(), 2u);
  EXPECT_EQ(taken.counts[0].samples, 2);
  EXPECT_EQ(aggregator_.samples(), 3);
  EXPECT_EQ(aggregator_.complete_samples(), 3);
}

TEST_F(AggregatorTest, MovesReturnAddressesIntoTheirCall) {
  Add(1, 1, {0xffffffff81000010, 0xffffffff81000020}, {Leaf(0x1100), Caller(0x1200)});
  EXPECT_EQ(Addresses(0), (std::vector<uint64_t>{0xffffffff81000010, 0xffffffff8100001f, 0x1100, 0x11ff}));
}

TEST_F(AggregatorTest, ReadsFramesThatAreDifferencesToTheOneBefore) {
  Add(1, 1, {},
      {Leaf(0x1100), KILN_FRAME_RETURNS | KILN_FRAME_RETURNS_TWO | uint64_t{0x10} << KILN_DIFFERENCE_BITS | 0x100});
  EXPECT_EQ(Addresses(0), (std::vector<uint64_t>{0x1100, 0x11ff, 0x120f}));
}

TEST_F(AggregatorTest, AStackGetsTheOuterFramesOfTheOneBefore) {
  Add(1, 1, {0xffffffff81000010}, {Leaf(0x1100), Caller(0x1200), Caller(0x1300), Caller(0x1400)});
  Add(1, 1, {}, {Leaf(0x1150), Caller(0x1300), Caller(0x1400)});
  Add(1, 1, {}, {Leaf(0x1160), Caller(0x1170), Caller(0x1180), Caller(0x1300), Caller(0x1400)});
  EXPECT_EQ(Addresses(1), (std::vector<uint64_t>{0x1150, 0x12ff, 0x13ff}));
  EXPECT_EQ(Addresses(2), (std::vector<uint64_t>{0x1160, 0x116f, 0x117f, 0x12ff, 0x13ff}));
  EXPECT_EQ(aggregator_.complete_samples(), 3);
}

TEST_F(AggregatorTest, OuterFramesOfCodeThatWasReplacedAreLocatedAnew) {
  Add(1, 1, {}, {Leaf(0x1100), Caller(0x1200)});
  aggregator_.OnSideBand({3, MmapEvent{.pid = {1},
                                       .start = ProcessAddress(0x1000),
                                       .length = 0x1000,
                                       .offset = FileOffset(0x5000),
                                       .path = "/no/such/file"}});
  Add(1, 1, {}, {Leaf(0x1150), Caller(0x1200)});
  EXPECT_EQ(Addresses(1), (std::vector<uint64_t>{0x5150, 0x51ff}));
}

TEST_F(AggregatorTest, OuterFramesOfACutStackAreNotTaken) {
  Add(1, 1, {}, {Leaf(0x1100), Caller(0x9999), Caller(0x1200)});
  Add(1, 1, {}, {Leaf(0x1150), Caller(0x1200)});
  EXPECT_EQ(Addresses(1), (std::vector<uint64_t>{0x1150, 0x11ff}));
}

TEST_F(AggregatorTest, KeepsThreadsAndNamesApart) {
  Add(1, 1, {}, {Leaf(0x1100)});
  Add(1, 2, {}, {Leaf(0x1100)});
  Add(1, 2, {}, {Leaf(0x1100)}, 0, KILN_STOP_ROOT, "renamed");
  EXPECT_EQ(aggregator_.stacks().size(), 1u);
  const Aggregate taken = aggregator_.Take();
  EXPECT_EQ(taken.counts.size(), 3u);
  EXPECT_EQ(taken.threads.size(), 3u);
}

TEST_F(AggregatorTest, BeginsAnewOnceItWasTaken) {
  Add(1, 1, {}, {Leaf(0x1100), Caller(0x1200)});
  Add(1, 1, {}, {Leaf(0x1100), Caller(0x1200)});
  const Aggregate first = aggregator_.Take();
  EXPECT_EQ(first.samples, 2);
  EXPECT_EQ(aggregator_.stacks().size(), 0u);
  EXPECT_EQ(aggregator_.threads().size(), 0u);
  Add(1, 1, {}, {Leaf(0x1100), Caller(0x1200)});
  const Aggregate second = aggregator_.Take();
  EXPECT_EQ(second.samples, 1);
  ASSERT_EQ(second.stacks.size(), 1u);
  EXPECT_EQ(second.stacks[0].frames.size(), first.stacks[0].frames.size());
  EXPECT_EQ(aggregator_.samples(), 3);
  EXPECT_EQ(aggregator_.Take().samples, 0);
}

TEST_F(AggregatorTest, KernelAndUserPartsAreNotMixedUp) {
  Add(1, 1, {0x1100}, {});
  Add(1, 1, {}, {0x1100});
  EXPECT_EQ(aggregator_.stacks().size(), 2u);
}

TEST_F(AggregatorTest, TheSameWordsAfterAnExecAreAnotherStack) {
  Add(1, 1, {}, {Leaf(0x1100)});
  Exec(1);
  Add(1, 1, {}, {Leaf(0x1100)});
  EXPECT_EQ(aggregator_.stacks().size(), 2u);
}

TEST_F(AggregatorTest, TheSameWordsAfterCodeWasReplacedAreAnotherStack) {
  Add(1, 1, {}, {Leaf(0x1100)});
  aggregator_.OnSideBand(
      {3, MmapEvent{.pid = {1}, .start = ProcessAddress(0x1000), .length = 0x1000, .path = "[vsyscall]"}});
  Add(1, 1, {}, {Leaf(0x1100)});
  EXPECT_EQ(aggregator_.stacks().size(), 2u);
}

TEST_F(AggregatorTest, ACutStackEndsInAMarkAndIsNotComplete) {
  Add(1, 1, {}, {Leaf(0x1100)}, 0, KILN_STOP_READ_FAULT);
  const auto& frames = aggregator_.stacks()[0].located.frames;
  EXPECT_EQ(locator_.frames()[frames.back()], (Frame{FrameSpace::kTruncated, 0, KILN_STOP_READ_FAULT}));
  EXPECT_EQ(aggregator_.complete_samples(), 0);
}

TEST_F(AggregatorTest, AStackThatIsCutInTheKernelIsNotComplete) {
  Add(1, 1, {0xffffffff81000010}, {Leaf(0x1100)}, 0, KILN_STOP_ROOT, "app", KILN_STOP_KERNEL_DEPTH_LIMIT);
  EXPECT_EQ(aggregator_.stacks()[0].located.stop, KILN_STOP_KERNEL_DEPTH_LIMIT);
  EXPECT_EQ(Addresses(0), (std::vector<uint64_t>{0xffffffff81000010, KILN_STOP_KERNEL_DEPTH_LIMIT, 0x1100}));
  EXPECT_EQ(aggregator_.complete_samples(), 0);
}

TEST_F(AggregatorTest, AReturnAddressThatIsNoCodeEndsTheStack) {
  Add(1, 1, {}, {Leaf(0x1100), Caller(0x9999), Caller(0x1200)});
  EXPECT_EQ(aggregator_.stacks()[0].located.stop, KILN_STOP_NOT_CODE);
  EXPECT_EQ(aggregator_.stacks()[0].located.frames.size(), 2u);  // the leaf and the mark
}

TEST_F(AggregatorTest, AnUnknownProcessShowsItsLeafAndWhyThereIsNoMore) {
  Add(9, 9, {}, {Leaf(0x1100), Caller(0x1200)});
  EXPECT_EQ(aggregator_.stacks()[0].located.stop, KILN_STOP_NO_MAPPING);
  EXPECT_EQ(locator_.frames()[aggregator_.stacks()[0].located.frames[0]].space, FrameSpace::kUnmapped);
}

TEST_F(AggregatorTest, JudgesSamplesThatTheKernelLeftOpen) {
  Add(1, 1, {}, {Leaf(0x1100)}, KILN_SAMPLE_UNDECIDED, KILN_STOP_ROOT, "wanted");
  Add(1, 1, {}, {Leaf(0x1100)}, KILN_SAMPLE_UNDECIDED, KILN_STOP_ROOT, "other");
  EXPECT_EQ(aggregator_.samples(), 1);
  EXPECT_EQ(aggregator_.comm_filtered(), 1);
}

TEST(StopReasons, EveryReasonHasATextAndOnlyWholeStacksAreComplete) {
  for (int stop = 0; stop < KILN_STOP_COUNT; ++stop) {
    EXPECT_FALSE(StopText(static_cast<kiln_stop>(stop)).empty());
    EXPECT_EQ(IsComplete(static_cast<kiln_stop>(stop)),
              stop == KILN_STOP_NONE || stop == KILN_STOP_ROOT || stop == KILN_STOP_MEMORY_GONE);
  }
}

}  // namespace
}  // namespace kiln::agent
