// SPDX-License-Identifier: Apache-2.0
#include "agent/aggregate/aggregator.h"

#include <absl/hash/hash.h>

#include <algorithm>

#include "base/clock.h"

namespace kiln::agent {
namespace {

constexpr size_t kTimedStacks = 16;

// Makes absl hash the words of a stack in one go.
struct Words {
  std::span<const uint64_t> words;
  template <typename H>
  friend H AbslHashValue(H hash, const Words& w) {
    return H::combine(H::combine_contiguous(std::move(hash), w.words.data(), w.words.size()), w.words.size());
  }
};

}  // namespace

bool IsComplete(kiln_stop stop) {
#define KILN_STOP(identifier, complete, text) complete,
  static constexpr bool kComplete[] = {
#include "bpf/stop_reasons.def"
  };
#undef KILN_STOP
  return kComplete[stop];
}

std::string_view StopText(kiln_stop stop) {
#define KILN_STOP(identifier, complete, text) text,
  static constexpr std::string_view kText[] = {
#include "bpf/stop_reasons.def"
  };
#undef KILN_STOP
  return kText[stop];
}

void Aggregator::OnSideBand(const SideBandEvent& event) {
  if (const auto* symbol = std::get_if<KernelSymbolEvent>(&event.event)) {
    kernel_symbols_.push_back(*symbol);
  } else {
    processes_.OnSideBand(event);
  }
}

void Aggregator::OnSample(const RawSample& sample) {
  if (Process* process = Admit(sample); process != nullptr) {
    Add(sample, {.process = *process, .mappings = nullptr, .generation = process->generation});
  }
}

Process* Aggregator::Admit(const RawSample& sample) {
  if ((sample.flags & KILN_SAMPLE_UNDECIDED) != 0 && !comm_filter_(*sample.identity)) {
    ++comm_filtered_;
    return nullptr;
  }
  return &processes_.OnSample(sample);
}

void Aggregator::Add(const RawSample& sample, const ProcessMoment& moment) {
  const StackId stack = FindOrLocate(sample, moment);
  ++counts_[{FindThread(sample, moment.process.id), stack}];
  ++samples_;
  if (IsComplete(stacks_[stack].located.stop)) ++complete_samples_;
}

bool Aggregator::Matches(StackId id, const RawKey& key) const {
  const Stack& stack = stacks_[id];
  const RawSample& sample = key.sample;
  if (stack.hash != key.hash || stack.image != key.image || stack.generation != key.generation ||
      stack.kernel_words != sample.kernel.size() || stack.user_words != sample.user.size() ||
      stack.kernel_stop != sample.kernel_stop || stack.user_stop != sample.user_stop) {
    return false;
  }
  return std::equal(sample.kernel.begin(), sample.kernel.end(), stack.words) &&
         std::equal(sample.user.begin(), sample.user.end(), stack.words + stack.kernel_words);
}

Aggregator::StackId Aggregator::FindOrLocate(const RawSample& sample, const ProcessMoment& moment) {
  const Process& process = moment.process;
  uint32_t generation = moment.generation;
  const auto hash_of = [&] {
    return absl::HashOf(process.id.value, generation, sample.kernel_stop, sample.user_stop, Words{sample.kernel},
                        Words{sample.user});
  };
  const RawKey key{sample, process.id, generation, hash_of()};
  if (const auto found = by_words_.find(key); found != by_words_.end()) return *found;

  // Reading the clock is a system call: each would cost a tenth of what it measures.
  // Not of the first stack either: that one opens all files.
  const bool is_timed = stacks_.size() % kTimedStacks == kTimedStacks / 2;
  const double start_seconds = is_timed ? ThreadCpuSeconds() : 0;
  LocatedStack located = locator_.Locate(sample, moment);
  if (is_timed) locate_seconds_ += kTimedStacks * (ThreadCpuSeconds() - start_seconds);
  // Locating may have read the process's maps anew and with that begun a new generation.
  if (moment.mappings == nullptr) generation = process.generation;
  const StackId id = static_cast<StackId>(stacks_.size());
  stacks_.push_back({.located = std::move(located),
                     .image = process.id,
                     .generation = generation,
                     .hash = hash_of(),
                     .words = words_.Add(sample.kernel, sample.user),
                     .kernel_words = static_cast<uint16_t>(sample.kernel.size()),
                     .user_words = static_cast<uint16_t>(sample.user.size()),
                     .kernel_stop = static_cast<uint8_t>(sample.kernel_stop),
                     .user_stop = static_cast<uint8_t>(sample.user_stop)});
  by_words_.insert(id);
  return id;
}

ThreadIndex Aggregator::FindThread(const RawSample& sample, ImageId image) {
  const std::pair key(sample.identity, image);
  if (const auto found = thread_of_identity_.find(key); found != thread_of_identity_.end()) return found->second;
  Thread thread{sample.pid, sample.tid, image, *sample.identity};
  thread.identity.mount_namespace = 0;  // unset while a thread exits: not part of who it is
  std::vector<ThreadIndex>& known = threads_of_tid_[sample.tid];
  auto index = std::ranges::find_if(known, [&](ThreadIndex i) { return threads_[i] == thread; });
  if (index == known.end()) index = known.insert(known.end(), threads_.Add(std::move(thread)));
  thread_of_identity_.emplace(key, *index);
  return *index;
}

Aggregate Aggregator::Take() {
  Aggregate taken{.threads = std::exchange(threads_, {}),
                  .stacks = {},
                  .counts = {},
                  .kernel_symbols = std::exchange(kernel_symbols_, {}),
                  .samples = 0};
  by_words_.clear();
  taken.stacks.reserve(stacks_.size());
  for (Stack& stack : stacks_) taken.stacks.push_back(std::move(stack.located));
  stacks_.clear();
  words_ = {};
  thread_of_identity_.clear();
  threads_of_tid_.clear();
  taken.counts.reserve(counts_.size());
  for (const auto& [key, samples] : counts_) {
    taken.counts.push_back({key.first, key.second, samples});
    taken.samples += samples;
  }
  counts_.clear();
  std::ranges::sort(taken.counts, {},
                    [](const Aggregate::Count& count) { return std::pair(count.thread, count.stack); });
  return taken;
}

}  // namespace kiln::agent
