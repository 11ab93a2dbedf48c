// SPDX-License-Identifier: Apache-2.0
// The namespaces and types that functions stand in. Compilers leave the linkage name away where no other unit can refer
// to a function (anonymous namespaces, local classes), and then "Write" is all that the entry says.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "symbolizer/dwarf/abbreviations.h"
#include "symbolizer/dwarf/unit.h"

namespace kiln::symbolizer::dwarf {

// Longer ones count as none: names of types may hold others, each time more.
inline constexpr size_t kMaxScopeNameBytes = 4096;
// Of one unit; beyond, functions stay without.
inline constexpr size_t kMaxScopeNames = 1 << 20;
inline constexpr size_t kMaxAllScopeNameBytes = 64 << 20;

// Of one unit.
class EnclosingScopes {
 public:
  // One pass over the unit's entries.
  static EnclosingScopes Read(const UnitView& unit, const AbbreviationTable& abbreviations);

  // "kiln::agent::(anonymous namespace)::Writer" for the entry of a function; "" = none, or not known.
  std::string_view Of(uint64_t entry) const {
    const auto found = scope_of_.find(entry);
    return found == scope_of_.end() ? std::string_view() : names_[found->second];
  }

 private:
  std::vector<std::string> names_;
  absl::flat_hash_map<uint64_t, uint32_t> scope_of_;
};

}  // namespace kiln::symbolizer::dwarf
