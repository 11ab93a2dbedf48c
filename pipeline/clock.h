// SPDX-License-Identifier: Apache-2.0
// Time and waiting, injected so that tests turn the hands themselves and never sleep.
#pragma once

#include <absl/time/time.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace kiln::pipeline {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Since a fixed moment; never goes back, whatever is done to the wall clock. All waiting is by this one.
  virtual absl::Duration Monotonic() const = 0;
  // The wall clock. For people and files only: it may jump.
  virtual int64_t UnixNano() const = 0;
  // Waits for `condition` (with `lock` held, as std::condition_variable does), at most until Monotonic() has reached
  // `deadline`; InfiniteDuration() = for ever. May come back early: look again at what was waited for.
  virtual void Wait(std::unique_lock<std::mutex>& lock, std::condition_variable& condition,
                    absl::Duration deadline) = 0;
};

// CLOCK_MONOTONIC and CLOCK_REALTIME. Without state: any number of them are the same clock.
class SystemClock : public Clock {
 public:
  absl::Duration Monotonic() const override;
  int64_t UnixNano() const override;
  void Wait(std::unique_lock<std::mutex>& lock, std::condition_variable& condition, absl::Duration deadline) override;
};

// Numbers in [0, 1), one per call; thread-safe.
using UniformRandom = std::function<double()>;

// Seeded by the system, so that agents that were started together do not retry together.
UniformRandom SystemRandom();

}  // namespace kiln::pipeline
