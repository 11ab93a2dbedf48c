// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "agent/unwind/table_memory.h"

namespace kiln::agent {

// Table memory that the kernel side reads at the same time. What has been reachable for it is retired instead of freed:
// first taken out of reach, then freed after every walk that may have found it has ended. Thread-compatible.
class SharedMemory {
 public:
  explicit SharedMemory(TableMemory& memory) : memory_(memory) {}

  TableMemory& memory() { return memory_; }

  // Frees once a wait for readers that begins from now on has ended. Nothing may lead to `ref` any more.
  void Retire(kiln_ref ref, size_t bytes) { retired_.push_back({ref, bytes}); }

  // What is retired waits for its readers: true if there is something to wait for and no wait is under way. The caller
  // then sees to a wait (TableWorker::AwaitReaders) and calls ReadersGone after it.
  bool BeginWait() {
    if (retired_.empty() || !waiting_.empty()) return false;
    waiting_.swap(retired_);
    ++waits_begun_;
    return true;
  }
  void ReadersGone() {
    for (const auto& [ref, bytes] : waiting_) memory_.Free(ref, bytes);
    waiting_.clear();
    waits_ended_ = waits_begun_;
  }
  // What is retired now is free once so many waits have ended, and so many have.
  uint64_t next_wait() const { return waits_begun_ + 1; }
  uint64_t waits_ended() const { return waits_ended_; }
  bool is_waiting() const { return !waiting_.empty(); }
  bool has_retired() const { return !retired_.empty(); }

 private:
  TableMemory& memory_;
  std::vector<std::pair<kiln_ref, size_t>> retired_;
  std::vector<std::pair<kiln_ref, size_t>> waiting_;
  uint64_t waits_begun_ = 0;
  uint64_t waits_ended_ = 0;
};

}  // namespace kiln::agent
