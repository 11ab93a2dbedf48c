// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include "pipeline/clock.h"

namespace kiln::pipeline {

// A clock that stands until the test moves it. Whoever waits for a moment wakes when the test has moved it there.
class FakeClock : public Clock {
 public:
  absl::Duration Monotonic() const override {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  int64_t UnixNano() const override {
    const std::lock_guard lock(mutex_);
    return absl::ToInt64Nanoseconds(now_ + wall_offset_);
  }
  void Wait(std::unique_lock<std::mutex>& lock, std::condition_variable& condition, absl::Duration deadline) override {
    std::list<Waiter>::iterator self;
    {
      const std::lock_guard own(mutex_);
      if (now_ >= deadline) return;
      self = waiters_.insert(waiters_.end(), {lock.mutex(), &condition, deadline});
      changed_.notify_all();
    }
    // Whoever moves the clock locks the waiter's mutex before it notifies, so nothing is missed in between.
    condition.wait(lock);
    const std::lock_guard own(mutex_);
    waiters_.erase(self);
  }

  void Advance(absl::Duration by) {
    std::vector<Waiter> due;
    {
      const std::lock_guard lock(mutex_);
      now_ += by;
      for (const Waiter& waiter : waiters_) {
        if (waiter.deadline <= now_) due.push_back(waiter);
      }
    }
    for (const Waiter& waiter : due) {
      waiter.mutex->lock();
      waiter.mutex->unlock();
      waiter.condition->notify_all();
    }
  }

  // Somebody sets the wall clock.
  void JumpWall(absl::Duration by) {
    const std::lock_guard lock(mutex_);
    wall_offset_ += by;
  }

  // Waits until so many wait for a moment to come; returns the nearest of these moments.
  absl::Duration AwaitWaiters(size_t count = 1) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::seconds(60), [&] { return Deadlines().size() >= count; });
    EXPECT_TRUE(came) << "nobody waits for the clock";
    const auto deadlines = Deadlines();
    return deadlines.empty() ? now_ : *std::ranges::min_element(deadlines);
  }

  // Moves to the nearest moment that somebody waits for, if there is one; returns by how much.
  absl::Duration AdvanceToNextDeadline() {
    absl::Duration by = absl::ZeroDuration();
    {
      const std::lock_guard lock(mutex_);
      const auto deadlines = Deadlines();
      if (deadlines.empty()) return by;
      by = *std::ranges::min_element(deadlines) - now_;
    }
    Advance(by);
    return by;
  }

  // Lets time pass as fast as the threads under test need it, until `condition` holds.
  void RunUntil(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), limit) << "it does not come to pass";
      AdvanceToNextDeadline();
      std::this_thread::yield();
    }
  }

 private:
  struct Waiter {
    std::mutex* mutex;
    std::condition_variable* condition;
    absl::Duration deadline;
  };
  // Those ahead that are finite. mutex_ is held.
  std::vector<absl::Duration> Deadlines() const {
    std::vector<absl::Duration> deadlines;
    for (const Waiter& waiter : waiters_) {
      if (waiter.deadline < absl::InfiniteDuration() && waiter.deadline > now_) deadlines.push_back(waiter.deadline);
    }
    return deadlines;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  absl::Duration now_ = absl::Hours(1);
  absl::Duration wall_offset_ = absl::Seconds(1'700'000'000);
  std::list<Waiter> waiters_;
};

}  // namespace kiln::pipeline
