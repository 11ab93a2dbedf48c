// SPDX-License-Identifier: Apache-2.0
// Packs rows into one page of a table, as bpf/unwind_table.h lays it out.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "symbolizer/unwind/machine.h"
#include "symbolizer/unwind/row.h"

namespace kiln::symbolizer {

inline constexpr uint64_t kPageBytes = uint64_t{1} << KILN_PAGE_SHIFT;  // of code

// One page after the other; memory is kept in between. Thread-compatible.
class PageBuilder final : public RowSink {
 public:
  // Refers to `machine`.
  explicit PageBuilder(const UnwindMachine& machine) : machine_(machine) {}

  // A page that begins at `begin`, a multiple of kPageBytes, and has no unwind information anywhere yet.
  void Start(ElfAddress begin);
  // What is added from now on counts from `begin` to `end` alone, which is cut to the page: rows at or before `first`,
  // and rows before `begin`, hold from `begin` on; others from `end` on are dropped. Windows follow each other without
  // a hole.
  void SetWindow(ElfAddress begin, ElfAddress end, ElfAddress first);
  void Add(ElfAddress address, const kiln_rule& rule) override;
  // Rows have come to the end of the window.
  bool IsFull() const override { return is_full_; }

  // The page, in 32-bit words: struct kiln_page. False if it does not fit KILN_VALUE_BYTES; `words` is empty then.
  bool Finish(std::vector<uint32_t>& words);

 private:
  void Flush();
  uint32_t RuleNumber(const kiln_rule& rule);

  const UnwindMachine& machine_;
  uint64_t begin_ = 0;
  uint64_t window_begin_ = 0;
  uint64_t window_end_ = 0;
  uint64_t first_ = 0;
  bool is_full_ = false;
  // The row that the next one may still replace.
  uint64_t pending_address_ = 0;
  kiln_rule pending_{};
  kiln_rule last_{};  // rule of the last row
  std::vector<uint32_t> rows_;
  std::vector<uint8_t> blocks_;  // of rows_
  std::vector<kiln_rule> rules_;
  // Open addressing: number of a rule + 1, by its hash.
  static constexpr size_t kRuleSlots = 8192;
  std::array<uint16_t, kRuleSlots> rule_slots_{};
  bool too_large_ = false;
};

}  // namespace kiln::symbolizer
