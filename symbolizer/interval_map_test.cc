// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/interval_map.h"

#include <gtest/gtest.h>

#include <random>

namespace kiln::symbolizer {
namespace {

std::optional<uint32_t> ValueAt(const IntervalMap& map, uint64_t address) {
  const auto found = map.Find(address);
  return found ? std::optional(found->value) : std::nullopt;
}

TEST(IntervalMapTest, EmptyCoversNothing) {
  EXPECT_TRUE(IntervalMap::Paint({}).empty());
  EXPECT_EQ(ValueAt(IntervalMap(), 0), std::nullopt);
  EXPECT_TRUE(IntervalMap::Paint({{.start = 5, .end = 5, .value = 1}, {.start = 9, .end = 2, .value = 2}}).empty());
}

TEST(IntervalMapTest, LaterRangesHideEarlierOnesWhereTheyOverlap) {
  const IntervalMap map = IntervalMap::Paint({{10, 20, 1}, {15, 30, 2}, {12, 14, 3}});
  EXPECT_EQ(ValueAt(map, 9), std::nullopt);
  EXPECT_EQ(ValueAt(map, 11), 1u);
  EXPECT_EQ(ValueAt(map, 13), 3u);
  EXPECT_EQ(ValueAt(map, 14), 1u);
  EXPECT_EQ(ValueAt(map, 15), 2u);
  EXPECT_EQ(ValueAt(map, 29), 2u);
  EXPECT_EQ(ValueAt(map, 30), std::nullopt);
}

TEST(IntervalMapTest, CountsWhatIsCovered) {
  const IntervalMap map = IntervalMap::Paint({{10, 20, 1}, {15, 30, 2}, {40, 50, 1}});
  EXPECT_EQ(map.CoveredBetween(0, 100), 30u);
  EXPECT_EQ(map.CoveredBetween(0, 10), 0u);
  EXPECT_EQ(map.CoveredBetween(12, 18), 6u);
  EXPECT_EQ(map.CoveredBetween(25, 45), 10u);
  EXPECT_EQ(map.CoveredBetween(30, 40), 0u);
  EXPECT_EQ(map.CoveredBetween(50, 60), 0u);
  EXPECT_EQ(map.CoveredBetween(45, 12), 0u);
  EXPECT_EQ(IntervalMap().CoveredBetween(0, UINT64_MAX), 0u);
}

TEST(IntervalMapTest, ReachesTheEndsOfTheAddressSpace) {
  const IntervalMap map = IntervalMap::Paint({{0, 1, 1}, {UINT64_MAX - 1, UINT64_MAX, 2}});
  EXPECT_EQ(ValueAt(map, 0), 1u);
  EXPECT_EQ(ValueAt(map, UINT64_MAX - 1), 2u);
  EXPECT_EQ(ValueAt(map, UINT64_MAX), std::nullopt);
}

TEST(IntervalMapTest, AgreesWithPaintingAddressByAddress) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::vector<IntervalMap::Range> ranges;
    std::vector<std::optional<uint32_t>> canvas(64);
    const uint32_t count = random() % 12;
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t start = random() % 60;
      const uint64_t end = std::min<uint64_t>(start + random() % 30, 64);
      ranges.push_back({.start = start, .end = end, .value = i});
      for (uint64_t at = start; at < end; ++at) canvas[at] = i;
    }
    const IntervalMap map = IntervalMap::Paint(ranges);
    for (uint64_t at = 0; at < 64; ++at) ASSERT_EQ(ValueAt(map, at), canvas[at]) << "round " << round << " at " << at;
  }
}

}  // namespace
}  // namespace kiln::symbolizer
