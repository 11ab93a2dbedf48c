// SPDX-License-Identifier: Apache-2.0
#include "pipeline/retry.h"

#include <algorithm>
#include <cmath>

namespace kiln::pipeline {
namespace {

RetrySettings Possible(RetrySettings settings) {
  settings.initial_interval = std::max(settings.initial_interval, absl::ZeroDuration());
  settings.max_interval = std::max(settings.max_interval, settings.initial_interval);
  // Written so that NaN becomes the limit too.
  if (!(settings.multiplier >= 1)) settings.multiplier = 1;
  if (!(settings.randomization_factor >= 0)) settings.randomization_factor = 0;
  settings.randomization_factor = std::min(settings.randomization_factor, 1.0);
  return settings;
}

}  // namespace

Backoff::Backoff(const RetrySettings& settings, absl::Duration first_attempt, const UniformRandom& random)
    : settings_(Possible(settings)),
      first_attempt_(first_attempt),
      random_(random),
      interval_(settings_.initial_interval) {}

std::optional<absl::Duration> Backoff::NextAttempt(absl::Duration now, std::optional<absl::Duration> retry_after) {
  if (!settings_.enabled) return std::nullopt;
  const double factor = 1 - settings_.randomization_factor + 2 * settings_.randomization_factor * random_();
  absl::Duration wait = interval_ * factor;
  interval_ = std::min(interval_ * settings_.multiplier, settings_.max_interval);
  if (retry_after) wait = std::max(wait, std::min(*retry_after, kMaxRetryAfter));
  if (settings_.max_elapsed_time > absl::ZeroDuration() && now - first_attempt_ + wait > settings_.max_elapsed_time) {
    return std::nullopt;
  }
  return now + wait;
}

}  // namespace kiln::pipeline
