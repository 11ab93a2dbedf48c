// SPDX-License-Identifier: Apache-2.0
#include "agent/record/stop_signals.h"

#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

namespace kiln::agent {
namespace {

TEST(StopSignals, CountsInterruptsAndNotesTermination) {
  auto signals = StopSignals::Block();
  ASSERT_TRUE(signals.ok());
  signals->Wait(absl::ZeroDuration());
  EXPECT_EQ(signals->interrupts(), 0);
  ::kill(::getpid(), SIGINT);
  signals->Wait(absl::Seconds(60));
  EXPECT_EQ(signals->interrupts(), 1);
  EXPECT_FALSE(signals->terminated());
  ::kill(::getpid(), SIGINT);
  ::kill(::getpid(), SIGTERM);
  signals->Wait(absl::Seconds(60));
  EXPECT_EQ(signals->interrupts(), 2);
  EXPECT_TRUE(signals->terminated());
}

TEST(StopSignals, TakesOtherSignalsOnRequest) {
  auto signals = StopSignals::Block({SIGWINCH});
  ASSERT_TRUE(signals.ok());
  EXPECT_FALSE(signals->Take(SIGWINCH));
  ::kill(::getpid(), SIGWINCH);
  signals->Wait(absl::Seconds(60));
  EXPECT_TRUE(signals->Take(SIGWINCH));
  EXPECT_FALSE(signals->Take(SIGWINCH));
  EXPECT_EQ(signals->interrupts(), 0);
  EXPECT_FALSE(signals->terminated());
}

TEST(StopSignals, PutsTheOldMaskBack) {
  sigset_t before, after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  { ASSERT_TRUE(StopSignals::Block().ok()); }
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
}

}  // namespace
}  // namespace kiln::agent
