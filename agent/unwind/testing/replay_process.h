// SPDX-License-Identifier: Apache-2.0
// A process made by hand for the walk that is compiled for user space (bpf/replay.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <ostream>
#include <span>
#include <utility>
#include <vector>

#include "agent/collect/frame_words.h"
#include "agent/unwind/code_ranges.h"
#include "agent/unwind/table_memory.h"
#include "bpf/replay.h"

namespace kiln::agent::testing {

struct WalkedFrame {
  uint64_t address;
  bool is_return_address;
  friend bool operator==(const WalkedFrame&, const WalkedFrame&) = default;
  friend void PrintTo(const WalkedFrame& frame, std::ostream* out) {
    *out << (frame.is_return_address ? "return to 0x" : "at 0x") << std::hex << frame.address << std::dec;
  }
};
inline WalkedFrame At(uint64_t address) { return {address, false}; }
inline WalkedFrame ReturnTo(uint64_t address) { return {address, true}; }

inline std::vector<WalkedFrame> FramesOf(std::span<const uint64_t> words) {
  std::vector<WalkedFrame> frames;
  FrameReader reader(words);
  while (const auto frame = reader.Next()) {
    frames.push_back({frame->address.value(), frame->role == AddressRole::kReturnAddress});
  }
  return frames;
}

class ReplayProcess {
 public:
  struct Walked {
    kiln_stop stop;
    uint32_t derived;
    uint32_t word_count;
    std::vector<WalkedFrame> frames;
  };
  struct Read {
    uint64_t address;
    uint32_t bytes;
  };

  ReplayProcess() {
#if defined(KILN_X86)
    regs.cs = 0x33;  // 64-bit user code
#endif
  }

  // A directory of these pages; an empty one is missing.
  kiln_ref AddTable(const std::vector<std::vector<uint32_t>>& pages, uint8_t tracked = KILN_NO_REGISTER) {
    const kiln_ref ref = *memory_.Allocate(offsetof(kiln_directory, pages) + pages.size() * sizeof(kiln_ref));
    uint32_t* words = memory_.Words(ref).data();
    words[0] = static_cast<uint32_t>(pages.size());
    words[offsetof(kiln_directory, tracked) / 4] = tracked;
    for (size_t i = 0; i < pages.size(); ++i) {
      if (!pages[i].empty()) words[offsetof(kiln_directory, pages) / 4 + i] = AddPage(pages[i]);
    }
    return ref;
  }
  kiln_ref AddPage(std::span<const uint32_t> page) {
    const kiln_ref ref = *memory_.Allocate(page.size_bytes());
    std::memcpy(memory_.Words(ref).data(), page.data(), page.size_bytes());
    return ref;
  }
  // Ascending. `ref` as AddTable gave it; page 0 begins at `start`.
  void AddCode(uint64_t start, uint64_t end, kiln_ref ref, kiln_walker walker = KILN_WALKER_TABLE) {
    ranges.push_back(
        {.start = start, .end = end, .base = start, .ref = ref, .walker = static_cast<uint16_t>(walker), .count = 0});
  }
  // Readable memory from `address` on, at least one word. Takes the place of what was added from `address` on before.
  void AddMemory(uint64_t address, const std::vector<uint64_t>& words) {
    std::vector<std::byte> bytes(words.size() * sizeof(uint64_t));
    std::memcpy(bytes.data(), words.data(), bytes.size());
    memory_at_[address] = std::move(bytes);
  }
  void ClearMemory() { memory_at_.clear(); }

  Walked Walk(uint32_t flags = 0) {
    const auto where = LayOutRanges(ranges, [this](size_t bytes) -> std::optional<RangeMemory> {
      const kiln_ref ref = *memory_.Allocate(bytes);
      return RangeMemory(ref, memory_.At<std::byte>(ref, bytes));
    });
    return WalkIn(*where, flags);
  }
  Walked WalkIn(const RangesRef& where, uint32_t flags = 0) {
    reads.clear();
    const kiln_replay replay{.context = this,
                             .table_value = &TableValue,
                             .read_user = &ReadUser,
                             .epoch = epoch,
                             .stamp = stamp,
                             .generation = generation};
    kiln_replay_walk(&replay, &regs, where.ref, where.count, flags, &stack_);
    return {.stop = static_cast<kiln_stop>(stack_.stop),
            .derived = stack_.derived,
            .word_count = stack_.word_count,
            .frames = FramesOf(std::span<const uint64_t>(stack_.words).first(stack_.word_count))};
  }

  TableMemory& memory() { return memory_; }

  kiln_regs regs{};
  std::vector<kiln_code_range> ranges;
  uint32_t epoch = 1;
  uint32_t stamp = 0;  // another one for each test that uses it: what is remembered outlives the test
  uint32_t generation = 1;
  std::vector<Read> reads;  // of user memory by the last walk, in order

 private:
  static void* TableValue(void* context, uint32_t number) {
    const std::span<uint32_t> words = static_cast<ReplayProcess*>(context)->memory_.Words(number << KILN_REF_WORD_BITS);
    return words.empty() ? nullptr : words.data();
  }
  static int ReadUser(void* context, void* to, uint32_t bytes, uint64_t address) {
    auto* self = static_cast<ReplayProcess*>(context);
    self->reads.push_back({address, bytes});
    const auto next = self->memory_at_.upper_bound(address);
    if (next == self->memory_at_.begin()) return -1;
    const auto& [start, memory] = *std::prev(next);
    const uint64_t offset = address - start;
    if (offset > memory.size() || memory.size() - offset < bytes) return -1;
    std::memcpy(to, memory.data() + offset, bytes);
    return 0;
  }

  HeapChunks chunks_;
  TableMemory memory_{chunks_, 16 << 20};
  std::map<uint64_t, std::vector<std::byte>> memory_at_;
  kiln_replay_stack stack_{};
};

}  // namespace kiln::agent::testing
