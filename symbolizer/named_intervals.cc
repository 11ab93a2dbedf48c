// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/named_intervals.h"

#include <algorithm>

namespace kiln::symbolizer {

NamedIntervals::NamedIntervals(const std::vector<IntervalMap::Range>& ranges, const NamePool& names)
    : intervals_(IntervalMap::Paint(ranges)) {
  struct Move {
    uint32_t from;
    uint32_t to;
  };
  std::vector<Move> moves;  // one name may be visible in several intervals
  intervals_.RenameValues([&](uint32_t name) {
    moves.push_back({.from = name, .to = 0});
    return name;
  });
  std::ranges::sort(moves, {}, &Move::from);
  const auto doubles = std::ranges::unique(moves, {}, &Move::from);
  moves.erase(doubles.begin(), doubles.end());
  NameCopier copier(names_);
  for (Move& move : moves) {
    const std::optional<uint32_t> shared = copier.Shared(move.from);
    move.to = shared ? *shared : copier.Add(move.from, names.At(move.from));
  }
  intervals_.RenameValues([&](uint32_t name) { return std::ranges::lower_bound(moves, name, {}, &Move::from)->to; });
  names_.ShrinkToFit();
  size_ = moves.size();
}

}  // namespace kiln::symbolizer
