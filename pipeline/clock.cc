// SPDX-License-Identifier: Apache-2.0
#include "pipeline/clock.h"

#include <chrono>
#include <memory>
#include <random>

#include "base/clock.h"

namespace kiln::pipeline {

absl::Duration SystemClock::Monotonic() const { return absl::Nanoseconds(static_cast<int64_t>(MonotonicNs())); }

int64_t SystemClock::UnixNano() const { return UnixNs(); }

void SystemClock::Wait(std::unique_lock<std::mutex>& lock, std::condition_variable& condition,
                       absl::Duration deadline) {
  const absl::Duration left = deadline - Monotonic();
  // Above a day wait_until would only come near to the end of its range; the caller looks again anyway.
  if (left > absl::Hours(24)) {
    condition.wait_for(lock, std::chrono::hours(24));
  } else if (left > absl::ZeroDuration()) {
    condition.wait_for(lock, absl::ToChronoNanoseconds(left));
  }
}

UniformRandom SystemRandom() {
  struct State {
    std::mutex mutex;
    std::mt19937_64 engine{std::random_device{}()};
  };
  // Shared since std::function must be copyable.
  return [state = std::make_shared<State>()] {
    const std::lock_guard lock(state->mutex);
    return std::uniform_real_distribution<double>(0, 1)(state->engine);
  };
}

}  // namespace kiln::pipeline
