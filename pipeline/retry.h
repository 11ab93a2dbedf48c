// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <optional>

#include "pipeline/clock.h"
#include "pipeline/settings.h"

namespace kiln::pipeline {

// A server's wish to be left alone is respected up to this: a wrong date must not silence an exporter for years.
inline constexpr absl::Duration kMaxRetryAfter = absl::Hours(1);

// When one request is tried again: after initial_interval, then multiplier times as long as before up to max_interval,
// each randomized to between (1 - randomization_factor) and (1 + randomization_factor) of itself. Begins at the first
// attempt; make one for each request. Thread-compatible.
class Backoff {
 public:
  // Settings out of range are taken as the nearest that are possible. `random` must outlive the object.
  Backoff(const RetrySettings& settings, absl::Duration first_attempt, const UniformRandom& random);

  // The attempt before `now` (the same monotonic clock as first_attempt) failed: when to try again, or nullopt to give
  // up, because retry is off or because that moment would lie beyond max_elapsed_time. The server's wish counts when it
  // is longer than the back-off.
  std::optional<absl::Duration> NextAttempt(absl::Duration now, std::optional<absl::Duration> retry_after);

 private:
  const RetrySettings settings_;
  const absl::Duration first_attempt_;
  const UniformRandom& random_;
  absl::Duration interval_;
};

}  // namespace kiln::pipeline
