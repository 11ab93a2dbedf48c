// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/online_cpus.h"

#include <gtest/gtest.h>

namespace kiln::agent {
namespace {

TEST(OnlineCpus, ParsesRangesAndSingles) {
  EXPECT_EQ(*ParseCpuList("0\n"), (std::vector{0}));
  EXPECT_EQ(*ParseCpuList("0-3,7,9-10"), (std::vector{0, 1, 2, 3, 7, 9, 10}));
}

TEST(OnlineCpus, RefusesEverythingElse) {
  for (const char* bad : {"", "\n", "a", "-1", "3-1", "1,", ",1", "1;2", "2,1", "1-", "99999", "0-99999"}) {
    EXPECT_FALSE(ParseCpuList(bad).ok()) << bad;
  }
}

TEST(OnlineCpus, ThisMachineHasAtLeastOne) {
  const auto cpus = OnlineCpus();
  ASSERT_TRUE(cpus.ok());
  ASSERT_TRUE(PossibleCpuCount().ok());
  EXPECT_LE(static_cast<int>(cpus->size()), *PossibleCpuCount());
}

}  // namespace
}  // namespace kiln::agent
