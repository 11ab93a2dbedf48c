// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/derive_returns.h"

namespace kiln::symbolizer {
namespace {

class ReturnFinder {
 public:
  ReturnFinder(std::span<const CodeEvent> events, std::span<const CodeBlock> blocks)
      : events_(events), blocks_(blocks), returns_(blocks.size()), first_waiter_(blocks.size(), kNoBlock) {}

  std::vector<bool> Run() {
    for (uint32_t block = 0; block < blocks_.size(); ++block) {
      Scan(block, blocks_[block].first_event);
      while (!found_.empty()) {
        const uint32_t found = found_.back();
        found_.pop_back();
        for (uint32_t i = first_waiter_[found]; i != kNoBlock; i = waiters_[i].next) {
          const Waiter waiter = waiters_[i];
          waiter.resume_at == kGoesThere ? MarkReturning(waiter.block) : Scan(waiter.block, waiter.resume_at);
        }
      }
    }
    return std::move(returns_);
  }

 private:
  static constexpr uint32_t kGoesThere = UINT32_MAX;
  // A block whose fate depends on another one: it goes there, or goes on with event `resume_at` once that one returns.
  struct Waiter {
    uint32_t block;
    uint32_t resume_at;
    uint32_t next;
  };

  void MarkReturning(uint32_t block) {
    if (returns_[block]) return;
    returns_[block] = true;
    found_.push_back(block);
  }
  void Wait(uint32_t block, uint32_t on, uint32_t resume_at) {
    waiters_.push_back({.block = block, .resume_at = resume_at, .next = first_waiter_[on]});
    first_waiter_[on] = static_cast<uint32_t>(waiters_.size() - 1);
  }
  void GoTo(uint32_t block, int32_t target) {
    if (target < 0 || returns_[static_cast<uint32_t>(target)]) return MarkReturning(block);
    Wait(block, static_cast<uint32_t>(target), kGoesThere);
  }

  void Scan(uint32_t block, uint32_t from) {
    const uint32_t end = block + 1 < blocks_.size() ? blocks_[block + 1].begin : UINT32_MAX;
    for (uint32_t i = from; i < events_.size() && events_[i].at < end; ++i) {
      if (returns_[block]) return;
      const CodeEvent& event = events_[i];
      switch (event.op) {
        case CodeOp::kReturn:
        case CodeOp::kJumpIndirect: return MarkReturning(block);
        case CodeOp::kStop: return;
        case CodeOp::kJump: return GoTo(block, event.value);
        case CodeOp::kCondition: GoTo(block, event.value); break;
        case CodeOp::kCall:
        case CodeOp::kCallBeforeGap:
          if (event.value >= 0 && !returns_[static_cast<uint32_t>(event.value)]) {
            return Wait(block, static_cast<uint32_t>(event.value), i + 1);
          }
          break;
        default: break;
      }
    }
    if (block + 1 < blocks_.size()) GoTo(block, static_cast<int32_t>(block + 1));
  }

  std::span<const CodeEvent> events_;
  std::span<const CodeBlock> blocks_;
  std::vector<bool> returns_;
  std::vector<uint32_t> first_waiter_;  // by block; index in waiters_
  std::vector<Waiter> waiters_;
  std::vector<uint32_t> found_;
};

}  // namespace

std::vector<bool> FindReturningBlocks(std::span<const CodeEvent> events, std::span<const CodeBlock> blocks) {
  return ReturnFinder(events, blocks).Run();
}

}  // namespace kiln::symbolizer
