// SPDX-License-Identifier: Apache-2.0
#include "agent/top/interval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/top/testing.h"
#include "profile/testing.h"

namespace kiln::agent {
namespace {

using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(Totals, CountCutStacksAsNotComplete) {
  const TopTotals totals = TotalsOf(ExampleInterval().profile);
  EXPECT_EQ(totals.samples, 200);
  EXPECT_EQ(totals.complete, 199);
}

TEST(BusyCpus, IsSampledTimeByTheTimeThatPassed) {
  EXPECT_DOUBLE_EQ(BusyCpus(ExampleInterval().profile, 200), 1.0);
  EXPECT_DOUBLE_EQ(BusyCpus(ExampleInterval().profile, 50), 0.25);
  profile::Profile no_time = ExampleInterval().profile;
  no_time.duration_nano = 0;
  EXPECT_EQ(BusyCpus(no_time, 200), 0);
}

TEST(WithoutKernelFrames, CountsTheKernelAsTheFunctionThatCalledIt) {
  const profile::Profile hidden = WithoutKernelFrames(ExampleInterval().profile);
  EXPECT_THAT(profile::TotalsByStack(hidden),
              UnorderedElementsAre(Pair("add;work;main", 99), Pair("load;main", 50), Pair("add;main", 30),
                                   Pair("[kernel]", 20), Pair("add;[truncated: no table]", 1)));
}

TEST(WithoutKernelFrames, KeepsTheMarkOfAStackThatIsNothingButKernel) {
  const TopInterval interval = IntervalOf({{{"k:read", "cut:[truncated: no table]"}, 5}});
  EXPECT_THAT(profile::TotalsByStack(WithoutKernelFrames(interval.profile)),
              UnorderedElementsAre(Pair("[kernel];[truncated: no table]", 5)));
}

}  // namespace
}  // namespace kiln::agent
