// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "symbolizer/dwarf/unit.h"

namespace kiln::symbolizer::dwarf {

struct AddressRange {
  uint64_t start;
  uint64_t end;  // exclusive, beyond start
  friend auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

// Adds the ranges that a DW_AT_ranges `value` stands for: .debug_ranges before DWARF 5 (section 2.17.3 of DWARF 4),
// .debug_rnglists from then on (DWARF 5, section 7.25). `low_pc` is that of the unit. Empty ranges are left out; damage
// ends the list, so does a length that no list of a function has.
void ReadRanges(const UnitView& unit, const Value& value, uint64_t low_pc, std::vector<AddressRange>& out);

}  // namespace kiln::symbolizer::dwarf
