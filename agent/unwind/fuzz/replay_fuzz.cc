// SPDX-License-Identifier: Apache-2.0
// The walk (bpf/replay.h) on any registers, stacks, ranges and table memory. It must end, stay inside of what it is
// given, and hand back whole frames. Every input is taken two ways: its bytes are the table memory; and its bytes make
// a page that ValidatePage finds right, so that the walk comes far.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "agent/collect/frame_words.h"
#include "agent/unwind/table_page.h"
#include "agent/unwind/testing/page.h"
#include "bpf/replay.h"

using namespace kiln;
using namespace kiln::agent;

namespace {

constexpr size_t kMaxBytes = 1 << 16;
constexpr uint32_t kValues = 4;
// Each step reads at most a frame pointer, a return address, a tracked register and a CFA, each maybe after a window or
// two in vain.
constexpr size_t kMaxReads = 16 * KILN_MAX_USER_FRAMES;

void Check(bool condition) {
  if (!condition) std::abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}
  // Zeros behind the end.
  template <typename T>
  T Take() {
    T value{};
    const size_t bytes = std::min(sizeof(T), rest_.size());
    std::memcpy(&value, rest_.data(), bytes);
    rest_ = rest_.subspan(bytes);
    return value;
  }
  std::span<const uint8_t> TakeBytes(size_t count) {
    const auto bytes = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(bytes.size());
    return bytes;
  }
  std::span<const uint8_t> rest() const { return rest_; }

 private:
  std::span<const uint8_t> rest_;
};

// What the walk reads: values in heap blocks of their exact size, and a stack that may go on for ever.
struct Surroundings {
  std::unique_ptr<uint64_t[]> values[kValues];
  uint64_t stack_start = 0;
  std::span<const uint8_t> stack;
  bool endless = false;  // what is not in the stack reads as the stack again
  size_t reads = 0;

  Surroundings() {
    for (auto& value : values) value = std::make_unique<uint64_t[]>(KILN_VALUE_BYTES / 8);
  }
  uint32_t* words(uint32_t value) { return reinterpret_cast<uint32_t*>(values[value].get()); }
};

void* TableValue(void* context, uint32_t number) {
  return number < kValues ? static_cast<Surroundings*>(context)->values[number].get() : nullptr;
}

int ReadUser(void* context, void* to, uint32_t bytes, uint64_t address) {
  auto* self = static_cast<Surroundings*>(context);
  Check(bytes > 0 && bytes <= 2048);
  ++self->reads;
  const uint64_t offset = address - self->stack_start;
  if (offset <= self->stack.size() && self->stack.size() - offset >= bytes) {
    std::memcpy(to, self->stack.data() + offset, bytes);
    return 0;
  }
  if (!self->endless || self->stack.empty()) {
    std::memset(to, 0xee, bytes);  // "may hold anything"
    return -1;
  }
  for (uint32_t i = 0; i < bytes; ++i) static_cast<uint8_t*>(to)[i] = self->stack[(offset + i) % self->stack.size()];
  return 0;
}

void Walk(Surroundings& surroundings, const kiln_regs& regs, kiln_ref ranges, uint32_t range_count, uint32_t flags,
          bool same_again) {
  // Twice as one process, so that rows come from memory, which must change nothing but the time.
  static uint32_t stamp = 0;
  ++stamp;
  surroundings.reads = 0;
  const kiln_replay replay{.context = &surroundings,
                           .table_value = &TableValue,
                           .read_user = &ReadUser,
                           .epoch = 7,
                           .stamp = stamp,
                           .generation = stamp};
  const auto stack = std::make_unique<kiln_replay_stack>();
  kiln_replay_walk(&replay, &regs, ranges, range_count, flags, stack.get());
  const auto again = std::make_unique<kiln_replay_stack>();
  kiln_replay_walk(&replay, &regs, ranges, range_count, flags, again.get());
  Check(stack->stop != KILN_STOP_NONE && stack->stop < KILN_STOP_COUNT);
  Check(stack->word_count > 0 && stack->word_count < KILN_MAX_WORDS);
  Check(surroundings.reads <= 2 * kMaxReads);
  if (same_again) {
    Check(again->stop == stack->stop && again->derived == stack->derived && again->word_count == stack->word_count);
    Check(std::equal(stack->words, stack->words + stack->word_count, again->words));
  }
  FrameReader reader({stack->words, stack->word_count});
  size_t frames = 0, words_left = stack->word_count;
  while (reader.Next()) {
    ++frames;
    words_left = reader.rest().size();
  }
  Check(words_left == 0);
  Check(frames <= KILN_MAX_USER_FRAMES && stack->derived <= frames);
}

// Mostly the machine's own mode and a stack pointer that leads to the stack.
kiln_regs TakeRegisters(Input& input, uint8_t choice, Surroundings& surroundings) {
  auto regs = input.Take<kiln_regs>();
#if defined(KILN_X86)
  if ((choice & 1) == 0) regs.cs = 0x33;
  if ((choice & 2) == 0) regs.sp &= 0x7ffffffffff8;
#elif defined(KILN_ARM64)
  if ((choice & 1) == 0) regs.pstate = 0;
  if ((choice & 2) == 0) regs.sp &= 0x7ffffffffff8;
#endif
  surroundings.stack_start = regs.sp;
  surroundings.endless = (choice & 4) != 0;
  return regs;
}

void TryAnyMemory(Input input) {
  Surroundings surroundings;
  const auto choice = input.Take<uint8_t>();
  const kiln_regs regs = TakeRegisters(input, choice, surroundings);
  // References and counts as they come, or near the beginning, where the bytes are.
  auto ranges = input.Take<kiln_ref>();
  auto count = input.Take<uint32_t>();
  if ((choice & 8) == 0) ranges %= 64, count %= 2100;
  surroundings.stack = input.TakeBytes(input.Take<uint16_t>());
  auto rest = input.rest();
  for (uint32_t value = 0; value < kValues && !rest.empty(); ++value) {
    const size_t bytes = std::min<size_t>(rest.size(), (choice & 16) != 0 ? 1024 : KILN_VALUE_BYTES);
    std::memcpy(surroundings.words(value), rest.data(), bytes);
    rest = rest.subspan(bytes);
  }
  // Its walk may write into its own tables: not the same again.
  Walk(surroundings, regs, ranges, count, choice >> 5, /*same_again=*/false);
}

kiln_rule TakeRule(Input& input) {
  auto rule = input.Take<kiln_rule>();
  rule.cfa_kind %= KILN_CFA_INDEXED + 1;
  rule.cfa_register %= KILN_REG_WORDS;
  rule.fp_kind %= KILN_VALUE_OF_REGISTER + 1;
  rule.fp_register %= KILN_REG_WORDS;
  rule.ra_kind %= KILN_VALUE_OF_REGISTER + 1;
  rule.ra_register %= KILN_REG_WORDS;
  rule.cfa_index %= KILN_REG_WORDS;
  constexpr uint8_t kOther[] = {KILN_VALUE_SAME, KILN_VALUE_AT_CFA, KILN_VALUE_LOST};
  rule.other_kind = kOther[rule.other_kind % 3];
  rule.flags &= KILN_RULE_DERIVED | KILN_RULE_SIGNAL_FRAME;
  if (rule.cfa_offset % 4 != 0) rule.cfa_offset %= 256;  // mostly near
  return rule;
}

std::vector<uint32_t> TakePage(Input& input) {
  const size_t rule_count = input.Take<uint8_t>() % 16, row_count = input.Take<uint8_t>();
  std::vector<kiln_rule> rules;
  for (size_t i = 0; i < rule_count; ++i) rules.push_back(TakeRule(input));
  std::vector<testing::PlacedRow> rows(1);
  std::set<uint16_t> places;
  for (size_t i = 0; i < row_count; ++i) places.insert(input.Take<uint16_t>());
  places.erase(0);
  for (const uint16_t place : places) rows.push_back({.place = place});
  for (testing::PlacedRow& row : rows) {
    const auto word = input.Take<uint16_t>();
    row.kind = word & 3;
    if (row.kind == KILN_ROW_RULE) {
      const uint32_t number = (word >> 2) % (KILN_SPECIAL_UNCLEAR + 1 + rule_count);
      row = testing::RuleRow(
          row.place, number <= KILN_SPECIAL_UNCLEAR ? number : KILN_FIRST_RULE + number - KILN_SPECIAL_UNCLEAR - 1);
    } else {
      row.a = word >> 2 & 63;
      row.b = word >> 8 & 63;
    }
  }
  return testing::MakePage(rows, rules);
}

// Value 0: ranges. Value 1: the page. Value 2: its directory.
void TryValidPage(Input input) {
  Surroundings surroundings;
  const auto choice = input.Take<uint8_t>();
  const kiln_regs regs = TakeRegisters(input, choice, surroundings);
  const std::vector<uint32_t> page = TakePage(input);
  Check(ValidatePage(page).ok());
  std::memcpy(surroundings.words(1), page.data(), page.size() * 4);
  uint32_t* directory = surroundings.words(2);
  directory[0] = 2;
  directory[offsetof(kiln_directory, tracked) / 4] = input.Take<uint8_t>();
  directory[offsetof(kiln_directory, pages) / 4] = 1u << KILN_REF_WORD_BITS;
  directory[offsetof(kiln_directory, pages) / 4 + 1] = input.Take<uint8_t>() % 3 == 0 ? 1u << KILN_REF_WORD_BITS : 0;
  // Code at a place that return addresses of few bytes reach, generated code behind it.
  const kiln_code_range ranges[] = {
      {.start = 0, .end = 0x20000, .base = 0, .ref = 2u << KILN_REF_WORD_BITS, .walker = KILN_WALKER_TABLE, .count = 0},
      {.start = 0x20000,
       .end = 0x7fffffffffffffff,
       .base = 0,
       .ref = 0,
       .walker = KILN_WALKER_FRAME_POINTER,
       .count = 0}};
  std::memcpy(surroundings.words(0), ranges, sizeof(ranges));
  surroundings.stack = input.rest();
  Walk(surroundings, regs, 0, (choice & 8) != 0 ? 2 : 1, choice >> 5, /*same_again=*/true);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  size = std::min(size, kMaxBytes);
  TryAnyMemory({data, size});
  TryValidPage({data, size});
  return 0;
}
