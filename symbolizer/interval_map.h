// SPDX-License-Identifier: Apache-2.0
// Which of many overlapping address ranges an address belongs to, as two sorted arrays: one binary search per lookup,
// 12 bytes per interval. Overlaps are resolved once, when the map is made: ranges are painted one over the other, and
// what is visible at the end is kept as intervals that do not overlap. The order of painting is the whole rule, so
// "innermost symbol" and "newest JIT code" are the same algorithm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace kiln::symbolizer {

// Immutable; thread-safe.
class IntervalMap {
 public:
  struct Range {
    uint64_t start;
    uint64_t end;    // exclusive; a range that is empty or ends before it starts covers nothing
    uint32_t value;  // not kNothing
  };
  static constexpr uint32_t kNothing = UINT32_MAX;

  IntervalMap() = default;
  // Later ranges win over earlier ones. At most 2^32 - 1 ranges. O(n log n).
  static IntervalMap Paint(const std::vector<Range>& ranges);

  struct Found {
    uint64_t start;  // of the visible interval, not of the range that it comes from
    uint32_t value;
  };
  std::optional<Found> Find(uint64_t address) const;

  // Gives every value to `rename`, which returns the one to keep in its place.
  template <typename Rename>
  void RenameValues(Rename rename) {
    for (uint32_t& value : values_) {
      if (value != kNothing) value = rename(value);
    }
  }

  // Calls visit(start, end, value) for each visible interval, ascending; gaps are left out.
  template <typename Visit>
  void ForEach(Visit visit) const {
    // The last interval is a gap.
    for (size_t i = 0; i + 1 < starts_.size(); ++i) {
      if (values_[i] != kNothing) visit(starts_[i], starts_[i + 1], values_[i]);
    }
  }

  // How many addresses of [start, end) have a value.
  uint64_t CoveredBetween(uint64_t start, uint64_t end) const;

  bool empty() const { return starts_.empty(); }
  size_t memory_bytes() const {
    return starts_.capacity() * sizeof(starts_[0]) + values_.capacity() * sizeof(values_[0]);
  }

 private:
  void Append(uint64_t start, uint32_t value);

  std::vector<uint64_t> starts_;
  std::vector<uint32_t> values_;  // parallel to starts_; kNothing = a gap
};

}  // namespace kiln::symbolizer
