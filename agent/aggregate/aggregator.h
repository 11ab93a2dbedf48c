// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <functional>
#include <vector>

#include "agent/aggregate/word_store.h"
#include "agent/collect/collector.h"
#include "agent/process/locator.h"
#include "agent/process/process_table.h"
#include "profile/index.h"

namespace kiln::agent {

using ThreadIndex = profile::Index<struct ThreadTag>;

// A thread under one name, running one program.
struct Thread {
  Pid pid;
  Tid tid;
  ImageId image;
  ThreadIdentity identity;
  friend bool operator==(const Thread&, const Thread&) = default;
};

// What was counted since the last time it was taken.
struct Aggregate {
  struct Count {
    ThreadIndex thread;
    uint32_t stack;  // index into stacks
    int64_t samples;
  };
  profile::Table<ThreadIndex, Thread> threads;
  std::vector<LocatedStack> stacks;
  std::vector<Count> counts;  // sorted by thread, then stack
  // BPF programs and other kernel code that came or went.
  std::vector<KernelSymbolEvent> kernel_symbols;
  int64_t samples = 0;
};

// Stages 3 and 4: counts samples per distinct (thread, stack). A stack is first compared as the kernel delivered it,
// within its process; only one that was never seen is located. So the usual sample costs two hash look-ups, and the
// cost of everything after follows the number of distinct stacks. Keys are compared word by word.
//
// Thread-compatible: lives on the collector's thread.
class Aggregator : public EventSink {
 public:
  // Decides about samples that the kernel's filter by name left open: true keeps the sample. Called for each such
  // sample.
  using CommFilter = std::function<bool(const ThreadIdentity&)>;

  Aggregator(ProcessTable& processes, Locator& locator, CommFilter comm_filter)
      : processes_(processes), locator_(locator), comm_filter_(std::move(comm_filter)) {}

  // Counts a sample whose stack is as good as it gets.
  void OnSample(const RawSample& sample) override;
  void OnSideBand(const SideBandEvent& event) override;
  // The same in two steps, for stacks that are still to be walked in between. Admit says whose sample it is, in the
  // order of time; nullptr if it is not wanted. Add counts it, whenever its stack is known.
  Process* Admit(const RawSample& sample);
  void Add(const RawSample& sample, const ProcessMoment& moment);

  // All that was counted, and begins anew with empty tables. The frames of its stacks are the locator's of that time.
  Aggregate Take();

  using StackId = uint32_t;  // index into stacks()
  // All that a sample of it is compared with lies in one cache line, but its words.
  struct alignas(64) Stack {
    LocatedStack located;
    ImageId image;
    uint32_t generation;
    size_t hash;
    const uint64_t* words;  // that it was located from: kernel, user
    uint16_t kernel_words;
    uint16_t user_words;
    uint8_t kernel_stop;  // enum kiln_stop, as it came
    uint8_t user_stop;
  };

  const profile::Table<ThreadIndex, Thread>& threads() const { return threads_; }
  const std::vector<Stack>& stacks() const { return stacks_; }

  // Of all since the start:
  int64_t samples() const { return samples_; }
  int64_t complete_samples() const { return complete_samples_; }
  // CPU time spent on locating stacks that were seen for the first time: an estimate from one of 16.
  double locate_seconds() const { return locate_seconds_; }
  int64_t comm_filtered() const { return comm_filtered_; }

 private:
  struct RawKey {
    const RawSample& sample;
    ImageId image;
    uint32_t generation;
    size_t hash;
  };
  struct RawHash {
    using is_transparent = void;
    const Aggregator* owner;
    size_t operator()(StackId id) const { return owner->stacks_[id].hash; }
    size_t operator()(const RawKey& key) const { return key.hash; }
  };
  struct RawEqual {
    using is_transparent = void;
    const Aggregator* owner;
    bool operator()(StackId a, StackId b) const { return a == b; }
    bool operator()(StackId id, const RawKey& key) const { return owner->Matches(id, key); }
    bool operator()(const RawKey& key, StackId id) const { return owner->Matches(id, key); }
  };

  bool Matches(StackId id, const RawKey& key) const;
  StackId FindOrLocate(const RawSample& sample, const ProcessMoment& moment);
  ThreadIndex FindThread(const RawSample& sample, ImageId image);

  ProcessTable& processes_;
  Locator& locator_;
  CommFilter comm_filter_;

  WordStore words_;  // of all raw stacks
  std::vector<Stack> stacks_;
  absl::flat_hash_set<StackId, RawHash, RawEqual> by_words_{0, RawHash{this}, RawEqual{this}};

  profile::Table<ThreadIndex, Thread> threads_;
  // The decoder keeps identities as long as anything here refers to them, and makes each for one thread: the pointer is
  // a fast first key.
  absl::flat_hash_map<std::pair<const ThreadIdentity*, ImageId>, ThreadIndex> thread_of_identity_;
  absl::flat_hash_map<Tid, std::vector<ThreadIndex>> threads_of_tid_;

  absl::flat_hash_map<std::pair<ThreadIndex, StackId>, int64_t> counts_;
  std::vector<KernelSymbolEvent> kernel_symbols_;
  int64_t samples_ = 0;
  int64_t complete_samples_ = 0;
  int64_t comm_filtered_ = 0;
  double locate_seconds_ = 0;
};

// True if nothing is missing of a stack that ended for this reason (bpf/stop_reasons.def).
bool IsComplete(kiln_stop stop);
// The reason in words for people.
std::string_view StopText(kiln_stop stop);

}  // namespace kiln::agent
