// SPDX-License-Identifier: Apache-2.0
#include "agent/record/progress.h"

#include <gtest/gtest.h>

namespace kiln::agent {
namespace {

TEST(Progress, ShowsTimeSamplesCompletenessLossesAndOwnCost) {
  EXPECT_EQ(RenderProgress({.elapsed = absl::Seconds(12),
                            .limit = std::nullopt,
                            .counts = {.samples = 4731, .complete = 4693, .lost = 0},
                            .own_cpu_percent = 0.42}),
            "00:12  4,731 samples  99.2 % complete stacks  0 lost  kiln 0.4 % CPU");
}

TEST(Progress, ShowsTheLimitAndLongTimes) {
  EXPECT_TRUE(RenderProgress({.elapsed = absl::Seconds(61), .limit = absl::Minutes(2)})
                  .starts_with("01:01 / 02:00  0 samples"));
  EXPECT_TRUE(RenderProgress({.elapsed = absl::Seconds(3661), .limit = std::nullopt}).starts_with("1:01:01  "));
}

}  // namespace
}  // namespace kiln::agent
