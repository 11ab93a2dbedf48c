// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/address.h"
#include "bpf/unwind_table.h"

namespace kiln::symbolizer {

// Bytewise equal rules are equal: all members are written, there is no padding.
bool operator==(const kiln_rule& a, const kiln_rule& b);

// From `address` on, until the next row, a frame's caller is found by `rule` (bpf/unwind_table.h). A rule with
// cfa_kind KILN_CFA_SPECIAL stands for the enum kiln_special in its cfa_offset; its other members are 0.
struct UnwindRow {
  ElfAddress address;
  kiln_rule rule;
};

kiln_rule SpecialRule(kiln_special special);
inline bool IsSpecial(const kiln_rule& rule, kiln_special special) {
  return rule.cfa_kind == KILN_CFA_SPECIAL && rule.cfa_offset == static_cast<int32_t>(special);
}

// Takes rows in ascending order of their addresses. A later row at the same address replaces the earlier one.
class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual void Add(ElfAddress address, const kiln_rule& rule) = 0;
  // True if no row that may still come is of use: a source may stop.
  virtual bool IsFull() const { return false; }
};

}  // namespace kiln::symbolizer
