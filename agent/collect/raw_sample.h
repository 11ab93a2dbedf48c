// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "bpf/wire.h"

namespace kiln::agent {

// Who ran: what struct kiln_identity carries.
struct ThreadIdentity {
  uint64_t process_start_ns = 0;  // CLOCK_BOOTTIME; with the pid it names a process for good
  Pid namespaced_pid;             // the pid that the process itself sees
  uint32_t mount_namespace = 0;   // inode of /proc/PID/ns/mnt; 0 = not known
  std::string thread_comm;
  std::string process_comm;
  friend bool operator==(const ThreadIdentity&, const ThreadIdentity&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const ThreadIdentity& id) {
    return H::combine(std::move(hash), id.process_start_ns, id.namespaced_pid, id.mount_namespace, id.thread_comm,
                      id.process_comm);
  }
};

// What the kernel copied of a thread whose stack it could not walk for lack of tables.
struct StackCopy {
  const kiln_stack* header = nullptr;  // registers and what the walk has to know of the process; nullptr = no copy
  std::span<const std::byte> bytes;    // user memory from KILN_RED_ZONE_BYTES below the stack pointer on; may be empty
};

// One sample as it came from the kernel. The spans and the identity point into the SampleBatch (or the decoder) that it
// came from and live as long as that.
struct RawSample {
  uint64_t time_ns;  // CLOCK_MONOTONIC
  Pid pid;
  Tid tid;
  uint32_t cpu;
  uint16_t flags;  // enum kiln_sample_flags
  kiln_stop kernel_stop;
  kiln_stop user_stop;
  uint32_t snapshot;  // kiln_process.snapshot that the user stack was walked by; 0 = none
  const ThreadIdentity* identity;
  std::span<const uint64_t> kernel;  // addresses, innermost first
  std::span<const uint64_t> user;    // frame words of bpf/wire.h (FrameReader), leaf first; equal stacks, equal words
  StackCopy stack;
};

// The samples of one drain, with one array for all their words. Grows to the size of the largest drain and stays there,
// so that decoding allocates nothing once it runs.
class SampleBatch {
 public:
  void Clear() {
    items_.clear();
    words_.clear();
    stacks_.clear();
    stack_bytes_.clear();
  }
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  bool has_stacks() const { return !stacks_.empty(); }

  uint64_t time_ns(size_t i) const { return items_[i].time_ns; }
  const ThreadIdentity* identity(size_t i) const { return items_[i].identity; }
  // Valid until the batch changes.
  RawSample operator[](size_t i) const {
    const Item& item = items_[i];
    const std::span<const uint64_t> words(words_);
    StackCopy stack;
    if (item.stack != kNoStack) {
      stack.header = &stacks_[item.stack];
      stack.bytes = std::span<const std::byte>(stack_bytes_).subspan(item.first_stack_byte, stack.header->stack_bytes);
    }
    return {.time_ns = item.time_ns,
            .pid = item.pid,
            .tid = item.tid,
            .cpu = item.cpu,
            .flags = item.flags,
            .kernel_stop = item.kernel_stop,
            .user_stop = item.user_stop,
            .snapshot = item.snapshot,
            .identity = item.identity,
            .kernel = words.subspan(item.first_word, item.kernel_words),
            .user = words.subspan(item.first_word + item.kernel_words, item.user_words),
            .stack = stack};
  }

  // Copies `sample` in. Its identity must outlive the batch.
  void Add(const RawSample& sample) {
    size_t stack = kNoStack;
    const size_t first_stack_byte = stack_bytes_.size();
    if (sample.stack.header != nullptr) {
      stack = stacks_.size();
      stacks_.push_back(*sample.stack.header);
      stacks_.back().stack_bytes = static_cast<uint32_t>(sample.stack.bytes.size());
      stack_bytes_.insert(stack_bytes_.end(), sample.stack.bytes.begin(), sample.stack.bytes.end());
    }
    items_.push_back({.time_ns = sample.time_ns,
                      .first_word = words_.size(),
                      .stack = stack,
                      .first_stack_byte = first_stack_byte,
                      .identity = sample.identity,
                      .pid = sample.pid,
                      .tid = sample.tid,
                      .cpu = sample.cpu,
                      .snapshot = sample.snapshot,
                      .flags = sample.flags,
                      .kernel_words = static_cast<uint16_t>(sample.kernel.size()),
                      .user_words = static_cast<uint16_t>(sample.user.size()),
                      .kernel_stop = sample.kernel_stop,
                      .user_stop = sample.user_stop});
    words_.insert(words_.end(), sample.kernel.begin(), sample.kernel.end());
    words_.insert(words_.end(), sample.user.begin(), sample.user.end());
  }

 private:
  static constexpr size_t kNoStack = SIZE_MAX;
  struct Item {
    uint64_t time_ns;
    size_t first_word;
    size_t stack;  // in stacks_, or kNoStack
    size_t first_stack_byte;
    const ThreadIdentity* identity;
    Pid pid;
    Tid tid;
    uint32_t cpu;
    uint32_t snapshot;
    uint16_t flags;
    uint16_t kernel_words;
    uint16_t user_words;
    kiln_stop kernel_stop;
    kiln_stop user_stop;
  };
  std::vector<Item> items_;
  std::vector<uint64_t> words_;
  std::vector<kiln_stack> stacks_;
  std::vector<std::byte> stack_bytes_;
};

}  // namespace kiln::agent
