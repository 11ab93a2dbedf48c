// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <mutex>

#include "pipeline/queue.h"

namespace kiln::pipeline {

// A queue that dies with the process.
class MemoryQueue : public Queue {
 public:
  // `accounts` must outlive the queue.
  MemoryQueue(const QueueSettings& settings, Accounts& accounts);

  PutResult Put(const BatchPtr& batch) override;
  std::optional<Item> Take() override;
  void Finish(const Item& item) override {}
  bool Return(const Item& item, std::span<const BatchPtr> left, bool whole) override { return false; }
  QueueState state() const override;
  void Close() override;

 private:
  const QueueSettings settings_;
  Accounts& accounts_;
  mutable std::mutex mutex_;
  std::deque<BatchPtr> batches_;  // guarded by mutex_, as is all below
  Amount waiting_;
  int64_t bytes_ = 0;

  // Takes the oldest out. mutex_ is held.
  BatchPtr PopOldest();
};

}  // namespace kiln::pipeline
