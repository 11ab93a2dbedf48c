// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "agent/collect/raw_sample.h"
#include "agent/unwind/table_memory.h"
#include "bpf/replay.h"

namespace kiln::agent {

// Walks copied stacks by the tables in table memory, with the kernel side's own code (bpf/replay.h). Thread-compatible,
// as the table memory is.
class StackWalker {
 public:
  explicit StackWalker(TableMemory& tables);

  struct Walked {
    kiln_stop stop;
    bool derived;                     // some frame was reached by a derived rule
    std::span<const uint64_t> words;  // frame words as in RawSample, leaf first; valid until the next Walk
  };
  // `version` names the contents of `ranges`, so that they are laid out once for many stacks. KILN_STOP_STACK_COPY_ENDS
  // where the walk needed memory that was not copied.
  Walked Walk(const StackCopy& stack, std::span<const kiln_code_range> ranges, uint64_t version, uint32_t epoch);

 private:
  static void* TableValue(void* context, uint32_t number);
  static int ReadUser(void* context, void* to, uint32_t bytes, uint64_t address);
  void SetRanges(std::span<const kiln_code_range> ranges, uint64_t version);

  TableMemory& tables_;
  // The ranges, in values of their own behind those of the table memory.
  std::vector<std::unique_ptr<std::byte[]>> range_values_;
  uint64_t version_ = 0;
  uint32_t ranges_ref_ = 0;
  uint32_t range_count_ = 0;
  std::unique_ptr<kiln_replay_stack> result_;
  // Of the walk under way.
  StackCopy stack_;
  bool left_copy_ = false;
};

}  // namespace kiln::agent
