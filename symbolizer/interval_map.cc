// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/interval_map.h"

#include <algorithm>
#include <numeric>
#include <queue>

namespace kiln::symbolizer {

void IntervalMap::Append(uint64_t start, uint32_t value) {
  const uint32_t before = values_.empty() ? kNothing : values_.back();
  if (value == before) return;
  starts_.push_back(start);
  values_.push_back(value);
}

IntervalMap IntervalMap::Paint(const std::vector<Range>& ranges) {
  std::vector<uint32_t> by_start(ranges.size());
  std::iota(by_start.begin(), by_start.end(), 0);
  const auto start_of = [&](uint32_t i) { return ranges[i].start; };
  // Mostly they are.
  if (!std::ranges::is_sorted(by_start, {}, start_of)) std::ranges::sort(by_start, {}, start_of);

  // A sweep over the addresses. `active` holds the ranges that began at or before `position`, the last painted on top;
  // those that have ended are dropped when they come up. Every step passes a start or an end: 2n steps at most.
  IntervalMap map;
  std::priority_queue<uint32_t> active;
  size_t next = 0;
  uint64_t position = 0;
  while (next < by_start.size() || !active.empty()) {
    if (active.empty()) position = ranges[by_start[next]].start;
    for (; next < by_start.size() && ranges[by_start[next]].start <= position; ++next) active.push(by_start[next]);
    while (!active.empty() && ranges[active.top()].end <= position) active.pop();
    if (active.empty()) {
      map.Append(position, kNothing);
      continue;
    }
    const Range& top = ranges[active.top()];
    map.Append(position, top.value);
    position = top.end;
    if (next < by_start.size()) position = std::min(position, ranges[by_start[next]].start);
  }
  map.starts_.shrink_to_fit();
  map.values_.shrink_to_fit();
  return map;
}

std::optional<IntervalMap::Found> IntervalMap::Find(uint64_t address) const {
  const auto after = std::ranges::upper_bound(starts_, address);
  if (after == starts_.begin()) return std::nullopt;
  const size_t index = static_cast<size_t>(after - starts_.begin()) - 1;
  if (values_[index] == kNothing) return std::nullopt;
  return Found{.start = starts_[index], .value = values_[index]};
}

uint64_t IntervalMap::CoveredBetween(uint64_t start, uint64_t end) const {
  if (start >= end) return 0;
  const auto after = std::ranges::upper_bound(starts_, start);
  size_t i = after == starts_.begin() ? 0 : static_cast<size_t>(after - starts_.begin()) - 1;
  uint64_t covered = 0;
  // The last interval is a gap: the map ends with one.
  for (; i + 1 < starts_.size() && starts_[i] < end; ++i) {
    if (values_[i] == kNothing || starts_[i + 1] <= start) continue;
    covered += std::min(end, starts_[i + 1]) - std::max(start, starts_[i]);
  }
  return covered;
}

}  // namespace kiln::symbolizer
