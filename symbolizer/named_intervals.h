// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "symbolizer/interval_map.h"
#include "symbolizer/name_pool.h"

namespace kiln::symbolizer {

// An IntervalMap from addresses to names, with a pool of just the names that can be found. Immutable; thread-safe.
class NamedIntervals {
 public:
  NamedIntervals() = default;
  // The ranges' values are offsets in `names`. Later ranges win.
  NamedIntervals(const std::vector<IntervalMap::Range>& ranges, const NamePool& names);

  // "" if there is none. Valid as long as this object lives.
  std::string_view Find(uint64_t address) const {
    const std::optional<IntervalMap::Found> found = intervals_.Find(address);
    return found ? names_.At(found->value) : std::string_view();
  }

  // How many addresses of [start, end) have a name.
  uint64_t NamedBetween(uint64_t start, uint64_t end) const { return intervals_.CoveredBetween(start, end); }

  bool empty() const { return intervals_.empty(); }
  // Distinct entries of `names` that can be found.
  size_t size() const { return size_; }
  size_t memory_bytes() const { return intervals_.memory_bytes() + names_.memory_bytes(); }

 private:
  IntervalMap intervals_;  // address -> offset in names_
  NamePool names_;
  size_t size_ = 0;
};

}  // namespace kiln::symbolizer
