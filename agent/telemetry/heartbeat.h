// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <atomic>
#include <cstdint>

namespace kiln::agent {

// A sign of life: one thread touches it each time around, others ask how long ago that was. By a clock that does not
// jump (MonotonicNs). Thread-safe.
class Heartbeat {
 public:
  void Touch(uint64_t now_ns) { last_ns_.store(now_ns, std::memory_order_relaxed); }
  // InfiniteDuration if it was never touched.
  absl::Duration Age(uint64_t now_ns) const {
    const uint64_t last = last_ns_.load(std::memory_order_relaxed);
    if (last == 0) return absl::InfiniteDuration();
    return now_ns > last ? absl::Nanoseconds(static_cast<int64_t>(now_ns - last)) : absl::ZeroDuration();
  }

 private:
  std::atomic<uint64_t> last_ns_ = 0;
};

}  // namespace kiln::agent
