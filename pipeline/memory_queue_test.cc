// SPDX-License-Identifier: Apache-2.0
#include "pipeline/memory_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/testing/batches.h"

namespace kiln::pipeline {
namespace {

using Overflow = QueueSettings::Overflow;
using PutResult = Queue::PutResult;

class MemoryQueueTest : public ::testing::Test {
 protected:
  std::string TakeText(Queue& queue) {
    const auto item = queue.Take();
    return item ? item->batch->bytes : "-";
  }
  MetricRegistry metrics_;
  Accounts accounts_{metrics_, "otlp", Signal::kLogs};
};

TEST_F(MemoryQueueTest, GivesOutInOrder) {
  MemoryQueue queue({}, accounts_);
  EXPECT_EQ(TakeText(queue), "-");
  EXPECT_EQ(queue.Put(TextBatch("a")), PutResult::kTaken);
  EXPECT_EQ(queue.Put(TextBatch("b")), PutResult::kTaken);
  EXPECT_EQ(TakeText(queue), "a");
  EXPECT_EQ(TakeText(queue), "b");
  EXPECT_EQ(TakeText(queue), "-");
}

TEST_F(MemoryQueueTest, DropsTheOldestWhenItIsFull) {
  MemoryQueue queue({.queue_size = 2}, accounts_);
  for (const char* text : {"a", "b", "c"}) EXPECT_EQ(queue.Put(TextBatch(text, 3, 7)), PutResult::kTaken);
  EXPECT_EQ(accounts_.Read().Dropped(DropReason::kQueueFull), (Amount{1, 3, 7}));
  EXPECT_EQ(queue.state().waiting, (Amount{2, 6, 14}));
  EXPECT_EQ(TakeText(queue), "b");
}

TEST_F(MemoryQueueTest, DropsAsManyAsTheNewOneNeeds) {
  MemoryQueue queue({.queue_size = 10, .sizer = Sizer::kItems}, accounts_);
  for (const char* text : {"a", "b", "c"}) queue.Put(TextBatch(text, 3));
  EXPECT_EQ(queue.state().size, 9);
  EXPECT_EQ(queue.Put(TextBatch("d", 7)), PutResult::kTaken);
  EXPECT_EQ(accounts_.Read().Dropped(DropReason::kQueueFull).items, 6);
  EXPECT_EQ(queue.state().size, 10);
}

TEST_F(MemoryQueueTest, CountsBytes) {
  MemoryQueue queue({.queue_size = 10, .sizer = Sizer::kBytes, .overflow = Overflow::kRefuse}, accounts_);
  EXPECT_EQ(queue.Put(TextBatch("123456")), PutResult::kTaken);
  EXPECT_EQ(queue.Put(TextBatch("12345")), PutResult::kFull);
  EXPECT_EQ(queue.Put(TextBatch("1234")), PutResult::kTaken);
  EXPECT_EQ(queue.Put(TextBatch("12345678901")), PutResult::kTooLarge);
  EXPECT_EQ(queue.state().bytes, 10);
}

TEST_F(MemoryQueueTest, RefusesAndBlocksByTellingThatItIsFull) {
  for (const Overflow overflow : {Overflow::kRefuse, Overflow::kBlock}) {
    MemoryQueue queue({.queue_size = 1, .overflow = overflow}, accounts_);
    queue.Put(TextBatch("a"));
    EXPECT_EQ(queue.Put(TextBatch("b")), PutResult::kFull);
    EXPECT_EQ(TakeText(queue), "a");
    EXPECT_EQ(queue.Put(TextBatch("b")), PutResult::kTaken);
  }
  EXPECT_EQ(accounts_.Read().TotalDropped(), Amount{});
}

TEST_F(MemoryQueueTest, CountsWhatItStillHoldsAtTheEnd) {
  MemoryQueue queue({}, accounts_);
  queue.Put(TextBatch("a", 2, 5));
  queue.Put(TextBatch("b", 2, 5));
  queue.Close();
  EXPECT_EQ(accounts_.Read().Dropped(DropReason::kShutdown), (Amount{2, 4, 10}));
  EXPECT_EQ(queue.state().waiting, Amount{});
}

}  // namespace
}  // namespace kiln::pipeline
