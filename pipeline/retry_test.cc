// SPDX-License-Identifier: Apache-2.0
#include "pipeline/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace kiln::pipeline {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kStart = absl::Hours(7);
const UniformRandom kMiddle = [] { return 0.5; };
const UniformRandom kLowest = [] { return 0.0; };

// The waits between attempts that take no time, until it gives up.
std::vector<absl::Duration> Waits(const RetrySettings& settings, const UniformRandom& random, size_t most = 100) {
  Backoff backoff(settings, kStart, random);
  std::vector<absl::Duration> waits;
  absl::Duration now = kStart;
  while (waits.size() < most) {
    const auto next = backoff.NextAttempt(now, std::nullopt);
    if (!next) break;
    waits.push_back(*next - now);
    now = *next;
  }
  return waits;
}

TEST(Backoff, GrowsByTheMultiplierUpToTheMaximum) {
  EXPECT_THAT(Waits({.max_elapsed_time = absl::ZeroDuration()}, kMiddle, 7),
              ElementsAre(absl::Seconds(5), absl::Seconds(7.5), absl::Seconds(11.25), absl::Seconds(16.875),
                          absl::Seconds(25.3125), absl::Seconds(30), absl::Seconds(30)));
}

TEST(Backoff, IsRandomizedOnBothSides) {
  EXPECT_THAT(Waits({.max_elapsed_time = absl::ZeroDuration()}, kLowest, 2),
              ElementsAre(absl::Seconds(2.5), absl::Seconds(3.75)));
  const UniformRandom highest = [] { return 1.0; };
  EXPECT_THAT(Waits({.max_elapsed_time = absl::ZeroDuration()}, highest, 2),
              ElementsAre(absl::Seconds(7.5), absl::Seconds(11.25)));
  EXPECT_THAT(Waits({.randomization_factor = 0, .max_elapsed_time = absl::ZeroDuration()}, kLowest, 2),
              ElementsAre(absl::Seconds(5), absl::Seconds(7.5)));
}

TEST(Backoff, GivesUpWhenTheNextAttemptWouldBeTooLate) {
  const auto waits = Waits({.max_elapsed_time = absl::Seconds(30)}, kMiddle);
  EXPECT_THAT(waits, ElementsAre(absl::Seconds(5), absl::Seconds(7.5), absl::Seconds(11.25)));
}

TEST(Backoff, CountsTheTimeThatAttemptsTake) {
  Backoff backoff({.max_elapsed_time = absl::Seconds(30)}, kStart, kMiddle);
  EXPECT_EQ(backoff.NextAttempt(kStart + absl::Seconds(25), std::nullopt), kStart + absl::Seconds(30));
  EXPECT_EQ(backoff.NextAttempt(kStart + absl::Seconds(30), std::nullopt), std::nullopt);
}

TEST(Backoff, NeverTriesAgainWhenRetryIsOff) { EXPECT_THAT(Waits({.enabled = false}, kMiddle), ElementsAre()); }

TEST(Backoff, TheServersWishCountsOnlyWhenItIsLonger) {
  Backoff backoff({.max_elapsed_time = absl::ZeroDuration()}, kStart, kMiddle);
  EXPECT_EQ(backoff.NextAttempt(kStart, absl::Seconds(60)), kStart + absl::Seconds(60));
  EXPECT_EQ(backoff.NextAttempt(kStart, absl::Seconds(1)), kStart + absl::Seconds(7.5));
}

TEST(Backoff, TheServersWishIsCappedAndBoundByTheElapsedTime) {
  Backoff for_ever({.max_elapsed_time = absl::ZeroDuration()}, kStart, kMiddle);
  EXPECT_EQ(for_ever.NextAttempt(kStart, absl::Hours(24 * 365)), kStart + kMaxRetryAfter);
  EXPECT_EQ(for_ever.NextAttempt(kStart, absl::InfiniteDuration()), kStart + kMaxRetryAfter);
  Backoff bound({}, kStart, kMiddle);
  EXPECT_EQ(bound.NextAttempt(kStart, absl::Minutes(6)), std::nullopt);
}

TEST(Backoff, ImpossibleSettingsAreTakenAsTheNearestPossible) {
  const RetrySettings settings{.initial_interval = absl::Seconds(-1),
                               .randomization_factor = 7,
                               .multiplier = std::nan(""),
                               .max_interval = absl::Seconds(-5),
                               .max_elapsed_time = absl::ZeroDuration()};
  EXPECT_THAT(Waits(settings, kMiddle, 2), ElementsAre(absl::ZeroDuration(), absl::ZeroDuration()));
}

}  // namespace
}  // namespace kiln::pipeline
