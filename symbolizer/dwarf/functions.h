// SPDX-License-Identifier: Apache-2.0
// The functions of one unit that have code, each with the tree of what was inlined into it. One pass over the unit's
// entries in their order; all but the two kinds that matter are passed over.
#pragma once

#include <cstdint>
#include <vector>

#include "symbolizer/dwarf/abbreviations.h"
#include "symbolizer/dwarf/ranges.h"
#include "symbolizer/dwarf/unit.h"

namespace kiln::symbolizer::dwarf {

inline constexpr uint32_t kNoScope = UINT32_MAX;
// Of one unit; beyond, the rest is left out. Units of link time optimisation have a million.
inline constexpr size_t kMaxScopes = 8 << 20;
inline constexpr size_t kMaxScopeRanges = 8 << 20;

// A function, or an inlined call of one.
struct Scope {
  uint64_t entry;   // offset of the entry in .debug_info that its name is found from
  uint64_t origin;  // of the abstract instance that all inlined calls refer to; `entry` if there is none
  uint32_t parent;  // what it was inlined into, a smaller index; kNoScope for a function
  uint32_t first_range;
  uint32_t ranges;
  // Of an inlined call: where it stands in the parent. A file by its number in the unit's line table; 0 = not known
  // (in DWARF 5 a file may have number 0: then has_call_file tells).
  uint32_t call_file;
  uint32_t call_line;
  uint16_t call_column;
  bool has_call_file;
};

struct Functions {
  std::vector<Scope> scopes;  // in the order of the entries: parents before what was inlined into them
  std::vector<AddressRange> ranges;
  bool damaged = false;  // the unit ended early
};

// `unit` has its bases; `low_pc` is that of the unit.
Functions ReadFunctions(const UnitView& unit, const AbbreviationTable& abbreviations, uint64_t low_pc);

}  // namespace kiln::symbolizer::dwarf
