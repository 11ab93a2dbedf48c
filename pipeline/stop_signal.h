// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <condition_variable>
#include <mutex>

#include "pipeline/clock.h"

namespace kiln::pipeline {

// Tells those who wait between attempts that the end has come. Thread-safe.
class StopSignal {
 public:
  explicit StopSignal(Clock& clock) : clock_(clock) {}

  // From now on nobody waits, and what is not sent by `deadline` (of the monotonic clock) is not sent any more.
  void Begin(absl::Duration deadline) {
    const std::lock_guard lock(mutex_);
    deadline_ = deadline;
    stopping_ = true;
    changed_.notify_all();
  }

  bool stopping() const {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }
  // How much time there is; InfiniteDuration() before Begin.
  absl::Duration TimeLeft() const {
    const std::lock_guard lock(mutex_);
    return stopping_ ? deadline_ - clock_.Monotonic() : absl::InfiniteDuration();
  }

  // Waits until `moment`, or shorter if the end comes.
  void WaitUntil(absl::Duration moment) {
    std::unique_lock lock(mutex_);
    while (!stopping_ && clock_.Monotonic() < moment) clock_.Wait(lock, changed_, moment);
  }

 private:
  Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;                               // guarded by mutex_
  absl::Duration deadline_ = absl::InfiniteDuration();  // likewise
};

}  // namespace kiln::pipeline
