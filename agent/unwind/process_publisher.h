// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "agent/unwind/code_ranges.h"
#include "agent/unwind/kernel_tables.h"
#include "agent/unwind/shared_memory.h"
#include "base/ids.h"

namespace kiln::agent {

// Tells the kernel side which code lies where in a process (struct kiln_process). Thread-compatible.
class ProcessPublisher {
 public:
  // What is to be known of a process besides its code; see kiln_process.
  struct Facts {
    uint64_t start_ns;
    uint64_t exec_pages;
    uint32_t exec_id;
    uint32_t snapshot;
    uint32_t flags;
    friend bool operator==(const Facts&, const Facts&) = default;
  };

  ProcessPublisher(KernelTables& kernel, SharedMemory& memory) : kernel_(kernel), memory_(memory) {}

  // Replaces what was told about `pid`. `version` names the contents of `ranges`: processes with the same one share
  // them. kUnavailable if there is no table memory now; else KernelTables::SetProcess's errors. After an error what was
  // told before stays.
  Status Publish(Pid pid, const Facts& facts, std::span<const kiln_code_range> ranges, uint64_t version);
  // Takes back what was told about `pid`, if anything.
  void Withdraw(Pid pid);
  // Whether just this was told about `pid`, and the kernel side goes by it still: it does not once the process may have
  // mapped other code (kiln_process.stale).
  bool IsTold(Pid pid, const Facts& facts, uint64_t version) const;
  // What was told about `pid`; nullptr if nothing was. Valid until the next change.
  const Facts* FactsOf(Pid pid) const;

 private:
  struct Ranges {
    RangesRef where;
    std::vector<std::pair<kiln_ref, size_t>> memory;
    uint32_t users = 0;
  };
  struct Published {
    kiln_ref process;
    uint64_t version;
    Facts facts;
  };

  StatusOr<RangesRef> TakeRanges(std::span<const kiln_code_range> ranges, uint64_t version);
  void DropRanges(uint64_t version);

  KernelTables& kernel_;
  SharedMemory& memory_;
  absl::flat_hash_map<uint64_t, Ranges> ranges_;  // by version
  absl::flat_hash_map<Pid, Published> published_;
  uint32_t last_stamp_ = 0;
};

}  // namespace kiln::agent
