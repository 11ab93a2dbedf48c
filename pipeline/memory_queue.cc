// SPDX-License-Identifier: Apache-2.0
#include "pipeline/memory_queue.h"

namespace kiln::pipeline {

MemoryQueue::MemoryQueue(const QueueSettings& settings, Accounts& accounts)
    : settings_(settings), accounts_(accounts) {}

BatchPtr MemoryQueue::PopOldest() {
  BatchPtr batch = std::move(batches_.front());
  batches_.pop_front();
  waiting_ -= AmountOf(*batch);
  bytes_ -= BytesOf(*batch);
  return batch;
}

Queue::PutResult MemoryQueue::Put(const BatchPtr& batch) {
  const Amount amount = AmountOf(*batch);
  const int64_t bytes = BytesOf(*batch);
  const int64_t size = SizeOf(settings_.sizer, amount, bytes);
  if (size > settings_.queue_size) return PutResult::kTooLarge;
  const std::lock_guard lock(mutex_);
  while (SizeOf(settings_.sizer, waiting_, bytes_) > settings_.queue_size - size) {
    if (settings_.overflow != QueueSettings::Overflow::kDropOldest) return PutResult::kFull;
    accounts_.DropQueued(DropReason::kQueueFull, AmountOf(*PopOldest()));
  }
  batches_.push_back(batch);
  waiting_ += amount;
  bytes_ += bytes;
  return PutResult::kTaken;
}

std::optional<Queue::Item> MemoryQueue::Take() {
  const std::lock_guard lock(mutex_);
  if (batches_.empty()) return std::nullopt;
  return Item{.batch = PopOldest()};
}

QueueState MemoryQueue::state() const {
  const std::lock_guard lock(mutex_);
  return {.waiting = waiting_,
          .bytes = bytes_,
          .size = SizeOf(settings_.sizer, waiting_, bytes_),
          .capacity = settings_.queue_size};
}

void MemoryQueue::Close() {
  const std::lock_guard lock(mutex_);
  while (!batches_.empty()) accounts_.DropQueued(DropReason::kShutdown, AmountOf(*PopOldest()));
}

}  // namespace kiln::pipeline
