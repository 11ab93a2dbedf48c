// SPDX-License-Identifier: Apache-2.0
#include "agent/top/interval_queue.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "agent/top/testing.h"

namespace kiln::agent {
namespace {

bool IsReadable(int fd, int timeout_ms) {
  pollfd poll{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, timeout_ms) == 1;
}

TopInterval IntervalAt(int frequency_hz) {
  TopInterval interval = IntervalOf({});
  interval.frequency_hz = frequency_hz;
  return interval;
}

std::unique_ptr<Window> EmptyWindow(int frequency_hz) {
  auto window = std::make_unique<Window>();
  window->frequency_hz = frequency_hz;
  window->end_ns = 2'000'000'000;
  window->losses = {{"kiln.samples.lost", 3}, {"kiln.samples.lost.ring_full", 3}};
  return window;
}

TEST(IntervalQueue, IsReadableWhileItHoldsSomething) {
  const auto queue = *IntervalQueue::Make();
  EXPECT_FALSE(IsReadable(queue->fd(), 0));
  queue->Put(IntervalAt(1));
  queue->Put(IntervalAt(2));
  EXPECT_TRUE(IsReadable(queue->fd(), 0));
  EXPECT_EQ(queue->Take()->frequency_hz, 1);
  EXPECT_TRUE(IsReadable(queue->fd(), 0));
  EXPECT_EQ(queue->Take()->frequency_hz, 2);
  EXPECT_FALSE(IsReadable(queue->fd(), 0));
  EXPECT_FALSE(queue->Take());
}

TEST(IntervalMaker, MakesIntervalsOfWindowsAndIsReadyOnceTheyAreTaken) {
  const auto queue = *IntervalQueue::Make();
  IntervalMaker maker(*queue);
  EXPECT_TRUE(maker.IsReady());
  maker.OnWindow(EmptyWindow(99));
  ASSERT_TRUE(IsReadable(queue->fd(), 60'000));
  EXPECT_FALSE(maker.IsReady());
  const auto interval = queue->Take();
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->frequency_hz, 99);
  EXPECT_EQ(interval->lost, 3);
  EXPECT_EQ(interval->profile.duration_nano, 2'000'000'000);
  EXPECT_TRUE(maker.IsReady());
}

TEST(IntervalMaker, MakesTheLastIntervalAlsoIfNobodyTakes) {
  const auto queue = *IntervalQueue::Make();
  IntervalMaker maker(*queue);
  maker.OnWindow(EmptyWindow(1));
  maker.OnWindow(EmptyWindow(2));
  maker.OnWindow(EmptyWindow(3));
  maker.Finish();
  for (const int expected : {1, 2, 3}) EXPECT_EQ(queue->Take()->frequency_hz, expected);
}

}  // namespace
}  // namespace kiln::agent
