// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/code_ranges.h"

#include <algorithm>
#include <cstring>

namespace kiln::agent {
namespace {

constexpr uint64_t kWalkEnd = uint64_t{1} << 63;

std::optional<RangesRef> LayOutArray(std::span<const kiln_code_range> ranges,
                                     absl::FunctionRef<std::optional<RangeMemory>(size_t bytes)> allocate) {
  const auto memory = allocate(ranges.size_bytes());
  if (!memory) return std::nullopt;
  std::memcpy(memory->second, ranges.data(), ranges.size_bytes());
  return RangesRef{.ref = memory->first, .count = static_cast<uint32_t>(ranges.size())};
}

}  // namespace

std::vector<kiln_code_range> MakeCodeRanges(const MappingTable& mappings,
                                            absl::FunctionRef<kiln_code_range(const Mapping&)> range_of) {
  std::vector<kiln_code_range> ranges;
  for (const auto& [start, mapping] : mappings) {
    if (start.value() >= kWalkEnd || mapping.end.value() > kWalkEnd) continue;
    kiln_code_range range = range_of(mapping);
    range.start = mapping.start.value();
    range.end = mapping.end.value();
    if (!ranges.empty() && ranges.back().end == range.start && range.walker == KILN_WALKER_FRAME_POINTER &&
        ranges.back().walker == range.walker) {
      ranges.back().end = range.end;
    } else {
      ranges.push_back(range);
    }
  }
  return ranges;
}

const kiln_code_range* FindCodeRange(std::span<const kiln_code_range> ranges, uint64_t address) {
  const auto next = std::ranges::upper_bound(ranges, address, {}, &kiln_code_range::start);
  if (next == ranges.begin() || address >= std::prev(next)->end) return nullptr;
  return &*std::prev(next);
}

std::optional<RangesRef> LayOutRanges(std::span<const kiln_code_range> ranges,
                                      absl::FunctionRef<std::optional<RangeMemory>(size_t bytes)> allocate) {
  if (ranges.empty()) return RangesRef{};
  if (ranges.size() <= KILN_MAX_RANGES) return LayOutArray(ranges, allocate);
  std::vector<kiln_code_range> index;
  for (size_t first = 0; first < ranges.size(); first += KILN_MAX_RANGES) {
    const auto part = ranges.subspan(first, std::min<size_t>(KILN_MAX_RANGES, ranges.size() - first));
    const auto array = LayOutArray(part, allocate);
    if (!array) return std::nullopt;
    index.push_back({.start = part.front().start,
                     .end = part.back().end,
                     .base = 0,
                     .ref = array->ref,
                     .walker = KILN_WALKER_INDEX,
                     .count = static_cast<uint16_t>(array->count)});
  }
  if (index.size() > KILN_MAX_RANGES) return std::nullopt;
  return LayOutArray(index, allocate);
}

}  // namespace kiln::agent
