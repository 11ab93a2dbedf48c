// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/code_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "agent/unwind/testing/page.h"
#include "agent/unwind/testing/replay_process.h"

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

Mapping File(uint64_t start, uint64_t end, const std::string& path = "/file") {
  return {.start = ProcessAddress(start), .end = ProcessAddress(end), .path = path};
}

// Generated code where there is no path, else a table whose reference is the start.
kiln_code_range ByPath(const Mapping& mapping) {
  if (mapping.path.empty()) return {.walker = KILN_WALKER_FRAME_POINTER};
  return {.ref = static_cast<kiln_ref>(mapping.start.value()), .walker = KILN_WALKER_TABLE};
}

std::vector<std::pair<uint64_t, uint64_t>> Bounds(const std::vector<kiln_code_range>& ranges) {
  std::vector<std::pair<uint64_t, uint64_t>> bounds;
  for (const kiln_code_range& range : ranges) bounds.emplace_back(range.start, range.end);
  return bounds;
}

TEST(MakeCodeRangesTest, AscendWhateverTheOrderOfTheMappings) {
  const MappingTable mappings({File(0x3000, 0x4000), File(0x1000, 0x2000), File(0x2000, 0x3000)});
  EXPECT_THAT(Bounds(MakeCodeRanges(mappings, ByPath)),
              ElementsAre(std::pair(0x1000, 0x2000), std::pair(0x2000, 0x3000), std::pair(0x3000, 0x4000)));
}

TEST(MakeCodeRangesTest, GeneratedCodeThatTouchesBecomesOneRange) {
  const MappingTable mappings({File(0x1000, 0x2000, ""), File(0x2000, 0x3000, ""), File(0x3000, 0x4000),
                               File(0x4000, 0x5000, ""), File(0x6000, 0x7000, "")});
  EXPECT_THAT(Bounds(MakeCodeRanges(mappings, ByPath)),
              ElementsAre(std::pair(0x1000, 0x3000), std::pair(0x3000, 0x4000), std::pair(0x4000, 0x5000),
                          std::pair(0x6000, 0x7000)));
}

TEST(MakeCodeRangesTest, LeavesOutWhatTheWalkLooksUpNowhere) {
  const MappingTable mappings({File(0x1000, 0x2000), File(0xffffffffff600000, 0xffffffffff601000, "[vsyscall]"),
                               File(0x8000000000000000, ~0ull)});
  EXPECT_THAT(Bounds(MakeCodeRanges(mappings, ByPath)), ElementsAre(std::pair(0x1000, 0x2000)));
}

TEST(FindCodeRangeTest, FindsByStartAndExclusiveEnd) {
  const std::vector<kiln_code_range> ranges = {
      {.start = 10, .end = 20}, {.start = 20, .end = 30}, {.start = 40, .end = 50}};
  EXPECT_EQ(FindCodeRange(ranges, 9), nullptr);
  EXPECT_EQ(FindCodeRange(ranges, 10), &ranges[0]);
  EXPECT_EQ(FindCodeRange(ranges, 19), &ranges[0]);
  EXPECT_EQ(FindCodeRange(ranges, 20), &ranges[1]);
  EXPECT_EQ(FindCodeRange(ranges, 30), nullptr);
  EXPECT_EQ(FindCodeRange(ranges, 49), &ranges[2]);
  EXPECT_EQ(FindCodeRange(ranges, 50), nullptr);
  EXPECT_EQ(FindCodeRange({}, 0), nullptr);
}

TEST(LayOutRangesTest, NoRangesNeedNoMemory) {
  const auto where = LayOutRanges({}, [](size_t) -> std::optional<RangeMemory> { return std::nullopt; });
  ASSERT_TRUE(where);
  EXPECT_EQ(where->count, 0u);
}

TEST(LayOutRangesTest, FailsIfAnyPartGetsNoMemory) {
  const std::vector<kiln_code_range> ranges(2 * KILN_MAX_RANGES + 1);
  std::vector<std::byte> memory(KILN_VALUE_BYTES);
  for (int room = 0; room <= 4; ++room) {  // three arrays and the index
    int given = 0;
    const auto where = LayOutRanges(ranges, [&](size_t bytes) -> std::optional<RangeMemory> {
      EXPECT_LE(bytes, size_t{KILN_VALUE_BYTES});
      if (given == room) return std::nullopt;
      ++given;
      return RangeMemory(1, memory.data());
    });
    EXPECT_EQ(where.has_value(), room == 4);
  }
}

// Each range is known by the reason that its walk gives for stopping there.
kiln_stop ReasonOf(size_t range) { return range % 2 == 0 ? KILN_STOP_NO_CFI : KILN_STOP_FILE_UNREADABLE; }

class RangeCountTest : public ::testing::TestWithParam<size_t> {};

TEST_P(RangeCountTest, TheWalkFindsEachRangeByItsBoundsAndNothingBetween) {
  testing::ReplayProcess process;
  const size_t count = GetParam();
  constexpr uint64_t kStride = 0x3000, kBytes = 0x1000;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t start = 0x7f0000000000 + i * kStride;
    process.AddCode(start, start + kBytes, ReasonOf(i), KILN_WALKER_NONE);
  }
  const auto where = LayOutRanges(process.ranges, [&](size_t bytes) -> std::optional<RangeMemory> {
    const kiln_ref ref = *process.memory().Allocate(bytes);
    return RangeMemory(ref, process.memory().At<std::byte>(ref, bytes));
  });
  ASSERT_TRUE(where);
  const auto stop_at = [&](uint64_t address) {
    process.regs.ip = address;
    return process.WalkIn(*where).stop;
  };
  for (size_t i = 0; i < count; ++i) {
    const uint64_t start = 0x7f0000000000 + i * kStride;
    ASSERT_EQ(stop_at(start - 1), KILN_STOP_RANGE_UNKNOWN) << i;
    ASSERT_EQ(stop_at(start), ReasonOf(i)) << i;
    ASSERT_EQ(stop_at(start + kBytes - 1), ReasonOf(i)) << i;
    ASSERT_EQ(stop_at(start + kBytes), KILN_STOP_RANGE_UNKNOWN) << i;
  }
  EXPECT_EQ(stop_at(0), KILN_STOP_RANGE_UNKNOWN);
  EXPECT_EQ(stop_at(0x7fffffffffffffff), KILN_STOP_RANGE_UNKNOWN);
  EXPECT_EQ(stop_at(0x8000000000000000), KILN_STOP_RANGE_UNKNOWN);
  EXPECT_EQ(stop_at(~uint64_t{0}), KILN_STOP_RANGE_UNKNOWN);
}

INSTANTIATE_TEST_SUITE_P(Counts, RangeCountTest,
                         ::testing::Values(1, 2, 3, 5, 9, 17, 100, 1024, 1025, 2046, 2047, 2048, 2049, 4094, 5000));

TEST(RangesOfAProcessTest, TheVsyscallPageHidesNoOtherCode) {
  // The bisect probes the last of a power of two and one first.
  for (const size_t files : {1, 2, 4, 8, 16, 32}) {
    std::vector<Mapping> mappings = {File(0xffffffffff600000, 0xffffffffff601000, "[vsyscall]")};
    for (size_t i = 0; i < files; ++i) mappings.push_back(File(0x10000 + i * 0x2000, 0x11000 + i * 0x2000));
    testing::ReplayProcess process;
    process.ranges = MakeCodeRanges(MappingTable(mappings), [](const Mapping&) {
      return kiln_code_range{.ref = KILN_STOP_NO_CFI, .walker = KILN_WALKER_NONE};
    });
    for (size_t i = 0; i < files; ++i) {
      process.regs.ip = 0x10000 + i * 0x2000;
      EXPECT_EQ(process.Walk().stop, KILN_STOP_NO_CFI) << i << " of " << files;
    }
  }
}

}  // namespace
}  // namespace kiln::agent
