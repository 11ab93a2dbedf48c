// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/process_publisher.h"

#include <gtest/gtest.h>

#include <vector>

#include "agent/unwind/testing/fake_kernel.h"

namespace kiln::agent {
namespace {

class ProcessPublisherTest : public ::testing::Test {
 protected:
  void AwaitReaders() {
    while (shared_.BeginWait()) shared_.ReadersGone();
  }
  Status Publish(int pid, uint64_t version, uint32_t snapshot = 1) {
    return publisher_.Publish(
        {pid}, {.start_ns = 10, .exec_pages = 20, .exec_id = 30, .snapshot = snapshot, .flags = 0}, ranges_, version);
  }

  testing::FakeKernel kernel_;
  TableMemory memory_{kernel_, 1 << 20};
  SharedMemory shared_{memory_};
  ProcessPublisher publisher_{kernel_, shared_};
  std::vector<kiln_code_range> ranges_ = std::vector<kiln_code_range>(3);
};

TEST_F(ProcessPublisherTest, TheKernelSideFindsFactsAndRanges) {
  ranges_[2].start = 77;
  ASSERT_TRUE(publisher_.Publish({5}, {1, 2, 3, 4, KILN_PROCESS_ALL_KNOWN}, ranges_, 9).ok());
  const kiln_process* process = kernel_.Process({5});
  ASSERT_NE(process, nullptr);
  EXPECT_EQ(process->tgid, 5u);
  EXPECT_EQ(process->start_ns, 1u);
  EXPECT_EQ(process->exec_pages, 2u);
  EXPECT_EQ(process->exec_id, 3u);
  EXPECT_EQ(process->snapshot, 4u);
  EXPECT_EQ(process->flags, uint32_t{KILN_PROCESS_ALL_KNOWN});
  EXPECT_EQ(process->stale, 0u);
  ASSERT_EQ(process->range_count, 3u);
  EXPECT_EQ(memory_.At<kiln_code_range>(process->ranges, 3)[2].start, 77u);
  EXPECT_EQ(publisher_.FactsOf({5})->snapshot, 4u);
  EXPECT_EQ(publisher_.FactsOf({6}), nullptr);
}

TEST_F(ProcessPublisherTest, ProcessesOfOneVersionShareTheirRanges) {
  ASSERT_TRUE(Publish(1, 9).ok());
  ASSERT_TRUE(Publish(2, 9).ok());
  ASSERT_TRUE(Publish(3, 10).ok());
  EXPECT_EQ(kernel_.Process({1})->ranges, kernel_.Process({2})->ranges);
  EXPECT_NE(kernel_.Process({1})->ranges, kernel_.Process({3})->ranges);
  publisher_.Withdraw({1});
  AwaitReaders();
  const kiln_ref ranges = kernel_.Process({2})->ranges;
  ASSERT_TRUE(Publish(4, 9).ok());
  EXPECT_EQ(kernel_.Process({4})->ranges, ranges);
}

TEST_F(ProcessPublisherTest, WhatIsTakenBackIsFreeOnlyAfterItsReadersAreGone) {
  ASSERT_TRUE(Publish(1, 9).ok());
  const uint64_t published = memory_.allocated_bytes();
  publisher_.Withdraw({1});
  EXPECT_EQ(kernel_.Process({1}), nullptr);
  EXPECT_EQ(memory_.allocated_bytes(), published);
  ASSERT_TRUE(shared_.BeginWait());
  EXPECT_EQ(memory_.allocated_bytes(), published);
  shared_.ReadersGone();
  EXPECT_EQ(memory_.allocated_bytes(), 0u);
  publisher_.Withdraw({1});  // nothing is left
  EXPECT_FALSE(shared_.has_retired());
}

TEST_F(ProcessPublisherTest, WhatTheKernelSideHoldsForStaleIsToldAgain) {
  const ProcessPublisher::Facts facts = {1, 2, 3, 4, KILN_PROCESS_REPLACES_CODE};
  EXPECT_FALSE(publisher_.IsTold({5}, facts, 9));
  ASSERT_TRUE(publisher_.Publish({5}, facts, ranges_, 9).ok());
  EXPECT_TRUE(publisher_.IsTold({5}, facts, 9));
  EXPECT_FALSE(publisher_.IsTold({5}, facts, 10));
  memory_.At<kiln_process>(kernel_.processes[{5}])->stale = 1;
  EXPECT_FALSE(publisher_.IsTold({5}, facts, 9));
  ASSERT_TRUE(publisher_.Publish({5}, facts, ranges_, 9).ok());
  EXPECT_TRUE(publisher_.IsTold({5}, facts, 9));
}

TEST_F(ProcessPublisherTest, PublishingAgainReplacesWhatWasTold) {
  ASSERT_TRUE(Publish(1, 9, 1).ok());
  const uint64_t once = memory_.allocated_bytes();
  ASSERT_TRUE(Publish(1, 10, 2).ok());
  EXPECT_EQ(kernel_.Process({1})->snapshot, 2u);
  AwaitReaders();
  EXPECT_EQ(memory_.allocated_bytes(), once);
  ASSERT_TRUE(Publish(1, 10, 3).ok());  // the same ranges
  AwaitReaders();
  EXPECT_EQ(memory_.allocated_bytes(), once);
  EXPECT_EQ(kernel_.Process({1})->range_count, 3u);
}

TEST_F(ProcessPublisherTest, ARefusalKeepsWhatWasToldAndNoMemory) {
  ASSERT_TRUE(Publish(1, 9).ok());
  const uint64_t before = memory_.allocated_bytes();
  kernel_.set_process_status = absl::ResourceExhaustedError("full");
  EXPECT_TRUE(absl::IsResourceExhausted(Publish(1, 10, 2)));
  EXPECT_TRUE(absl::IsResourceExhausted(Publish(2, 11)));
  AwaitReaders();
  EXPECT_EQ(memory_.allocated_bytes(), before);
  EXPECT_EQ(kernel_.Process({1})->snapshot, 1u);
  EXPECT_EQ(publisher_.FactsOf({1})->snapshot, 1u);
  EXPECT_EQ(publisher_.FactsOf({2}), nullptr);
}

TEST_F(ProcessPublisherTest, WithoutMemoryNothingIsToldAndNothingLeaks) {
  std::vector<kiln_ref> rest;
  while (const auto ref = memory_.Allocate(KILN_VALUE_BYTES)) rest.push_back(*ref);
  memory_.Free(rest.back(), KILN_VALUE_BYTES);
  const uint64_t before = memory_.allocated_bytes();
  ranges_.resize(2 * KILN_MAX_RANGES);  // the first part has room, the second has none
  EXPECT_TRUE(absl::IsUnavailable(Publish(1, 9)));
  EXPECT_EQ(memory_.allocated_bytes(), before);
  EXPECT_TRUE(kernel_.processes.empty());
  ranges_.resize(1);
  EXPECT_TRUE(Publish(1, 9).ok());
}

}  // namespace
}  // namespace kiln::agent
