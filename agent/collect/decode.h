// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_set.h>
#include <absl/container/node_hash_set.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "agent/collect/raw_sample.h"

namespace kiln::agent {

// Turns ring buffer records (bpf/wire.h) into RawSamples. Keeps the receiving half of the identity tables, so the
// records of one CPU must come in their order. Thread-compatible.
class SampleDecoder {
 public:
  struct Counts {
    uint64_t malformed = 0;         // records that are no sample of this wire version
    uint64_t unknown_identity = 0;  // samples dropped because nobody said whose they are
    uint64_t stacks = 0;            // records of copied stacks
  };

  // Appends the sample in `record` to `batch`; otherwise counts why not. A copied stack is kept for the sample that
  // follows on its CPU.
  void Decode(std::span<const std::byte> record, SampleBatch& batch);

  // Drops the identities that no slot and nothing of `in_use` refers to.
  void ForgetIdentities(const absl::flat_hash_set<const ThreadIdentity*>& in_use);
  // Distinct identities that are kept.
  size_t identity_count() const { return identities_.size(); }
  const Counts& counts() const { return counts_; }

 private:
  struct Slot {
    Tid tid;
    const ThreadIdentity* identity = nullptr;
  };
  struct Known {
    Pid pid;
    Tid tid;
    ThreadIdentity identity;
    friend bool operator==(const Known&, const Known&) = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Known& known) {
      return H::combine(std::move(hash), known.pid, known.tid, known.identity);
    }
  };
  using Slots = std::vector<Slot>;  // KILN_IDENTITY_SLOTS of them

  struct PendingStack {
    kiln_stack header{};  // time_ns 0 = none
    std::vector<std::byte> bytes;
  };
  struct Cpu {
    Slots slots;
    PendingStack stack;
  };

  Cpu& CpuOf(uint32_t cpu);
  void DecodeStack(std::span<const std::byte> record);

  std::vector<Cpu> cpus_;
  // One per thread and name, however often it is sent: threads that share a slot of the table take turns in it. They
  // stay at their place, since samples point to them.
  absl::node_hash_set<Known> identities_;
  std::vector<uint64_t> words_;
  Counts counts_;
};

}  // namespace kiln::agent
