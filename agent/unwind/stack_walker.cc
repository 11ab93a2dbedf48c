// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/stack_walker.h"

#include <cstring>

#include "agent/unwind/code_ranges.h"

namespace kiln::agent {
namespace {

// Numbers of values that table memory never has.
constexpr uint32_t kFirstRangeValue = KILN_MAX_CHUNKS * KILN_CHUNK_VALUES;

// Whether a part of the `bytes` (> 0) at `offset` of the copy could not be read. The copy begins at address `begin`.
bool TouchesHole(const kiln_stack& stack, uint64_t begin, uint64_t offset, uint64_t bytes) {
  const uint64_t from = begin % KILN_STACK_BLOCK + offset;
  for (uint64_t block = from / KILN_STACK_BLOCK; block <= (from + bytes - 1) / KILN_STACK_BLOCK; ++block) {
    if ((stack.holes >> block & 1) != 0) return true;
  }
  return false;
}

}  // namespace

StackWalker::StackWalker(TableMemory& tables) : tables_(tables), result_(std::make_unique<kiln_replay_stack>()) {}

void* StackWalker::TableValue(void* context, uint32_t number) {
  auto* self = static_cast<StackWalker*>(context);
  if (number >= kFirstRangeValue) {
    const size_t index = number - kFirstRangeValue;
    return index < self->range_values_.size() ? self->range_values_[index].get() : nullptr;
  }
  const std::span<uint32_t> words = self->tables_.Words(number << KILN_REF_WORD_BITS);
  return words.size() == KILN_VALUE_WORDS ? words.data() : nullptr;
}

int StackWalker::ReadUser(void* context, void* to, uint32_t bytes, uint64_t address) {
  auto* self = static_cast<StackWalker*>(context);
  const uint64_t begin = self->stack_.header->regs.sp - KILN_RED_ZONE_BYTES;
  const uint64_t offset = address - begin;
  const bool outside = offset > self->stack_.bytes.size() || self->stack_.bytes.size() - offset < bytes;
  if (outside || TouchesHole(*self->stack_.header, begin, offset, bytes)) {
    self->left_copy_ = true;
    return -1;
  }
  std::memcpy(to, self->stack_.bytes.data() + offset, bytes);
  return 0;
}

void StackWalker::SetRanges(std::span<const kiln_code_range> ranges, uint64_t version) {
  if (version_ == version) return;
  size_t used = 0;
  const auto laid_out = LayOutRanges(ranges, [&](size_t) -> std::optional<RangeMemory> {
    if (used == range_values_.size()) range_values_.push_back(std::make_unique<std::byte[]>(KILN_VALUE_BYTES));
    const kiln_ref ref = (kFirstRangeValue + static_cast<uint32_t>(used)) << KILN_REF_WORD_BITS;
    return RangeMemory(ref, range_values_[used++].get());
  });
  version_ = version;
  ranges_ref_ = laid_out ? laid_out->ref : 0;
  range_count_ = laid_out ? laid_out->count : 0;
}

StackWalker::Walked StackWalker::Walk(const StackCopy& stack, std::span<const kiln_code_range> ranges, uint64_t version,
                                      uint32_t epoch) {
  SetRanges(ranges, version);
  stack_ = stack;
  left_copy_ = false;
  const kiln_replay replay{.context = this, .table_value = &TableValue, .read_user = &ReadUser, .epoch = epoch};
  kiln_replay_walk(&replay, &stack.header->regs, ranges_ref_, range_count_, 0, result_.get());
  kiln_stop stop = static_cast<kiln_stop>(result_->stop);
  if (stop == KILN_STOP_READ_FAULT && left_copy_) stop = KILN_STOP_STACK_COPY_ENDS;
  return {.stop = stop,
          .derived = result_->derived != 0,
          .words = std::span<const uint64_t>(result_->words).first(result_->word_count)};
}

}  // namespace kiln::agent
