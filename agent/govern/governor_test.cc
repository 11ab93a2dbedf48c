// SPDX-License-Identifier: Apache-2.0
#include "agent/govern/governor.h"

#include <gtest/gtest.h>

#include <functional>

namespace kiln::agent {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

// An agent whose cost follows its frequency.
class GovernorTest : public ::testing::Test {
 protected:
  // `cores(decision)`: what sampling so costs per second.
  void Run(Governor& governor, int seconds, const std::function<double(const GovernorDecision&)>& cores) {
    const double cpu_before = use_.cpu_seconds;
    for (int i = 0; i < seconds; ++i) {
      use_.time_ns += kSecond;
      use_.cpu_seconds += cores(governor.decision());
      governor.Update(use_);
    }
    mean_ = (use_.cpu_seconds - cpu_before) / seconds;
  }
  // 10 us per sample and CPU on two CPUs, and 2 ms per second that nothing changes.
  static double Usual(const GovernorDecision& decision) { return 0.002 + 20e-6 * decision.frequency_hz; }

  ResourceUse use_{.time_ns = 5 * kSecond, .cpu_seconds = 1, .memory_bytes = 10 << 20};
  double mean_ = 0;
};

TEST_F(GovernorTest, LeavesAFrequencyThatIsAfforded) {
  Governor governor(99, {.cpu_cores = 0.006});
  Run(governor, 600, Usual);
  EXPECT_EQ(governor.decision(), (GovernorDecision{.frequency_hz = 99}));
  EXPECT_EQ(governor.steps(), 0u);
}

TEST_F(GovernorTest, WithoutLimitsNothingIsDone) {
  Governor governor(997, {});
  Run(governor, 100, [](const GovernorDecision&) { return 1.9; });
  EXPECT_EQ(governor.decision(), (GovernorDecision{.frequency_hz = 997}));
}

TEST_F(GovernorTest, LowersTheFrequencyUntilTheLimitIsKept) {
  Governor governor(997, {.cpu_cores = 0.006});
  Run(governor, 300, Usual);
  Run(governor, 600, Usual);
  EXPECT_LT(mean_, 0.006);
  EXPECT_GT(mean_, 0.004);  // and no further than it has to
  EXPECT_EQ(governor.decision().detail, Detail::kFull);
  EXPECT_LT(governor.steps(), 60u);
}

TEST_F(GovernorTest, BeginsLowWithALimitAndFindsItsPlace) {
  Governor governor(997, {.cpu_cores = 0.006}, 2);
  EXPECT_EQ(governor.decision().frequency_hz, 51);
  double least = 997;
  Run(governor, 600, [&least](const GovernorDecision& decision) {
    least = std::min<double>(least, decision.frequency_hz);
    return Usual(decision);
  });
  EXPECT_EQ(least, 51);
  EXPECT_LT(mean_, 0.006);
  Run(governor, 300, Usual);
  EXPECT_GT(mean_, 0.0042);
  EXPECT_LT(mean_, 0.006);
  EXPECT_EQ(Governor(99, {.cpu_cores = 0.06}, 2).decision().frequency_hz, 99);
  EXPECT_EQ(Governor(99, {}, 2).decision().frequency_hz, 99);
}

// What the start of a busy host costs: programs seen for the first time.
TEST_F(GovernorTest, SavesWhatABurstHasOverdrawnWithoutGoingBlind) {
  Governor governor(99, {.cpu_cores = 0.006}, 2);
  Run(governor, 1, Usual);
  use_.cpu_seconds += 0.25;
  const double began = use_.cpu_seconds - 0.25;
  double least = 99;
  Run(governor, 240, [&least](const GovernorDecision& decision) {
    least = std::min<double>(least, decision.frequency_hz);
    return Usual(decision);
  });
  EXPECT_LT((use_.cpu_seconds - began) / 240, 0.006);
  EXPECT_GE(least, 5);
  Run(governor, 200, Usual);
  EXPECT_GT(governor.decision().frequency_hz, 90);
}

TEST_F(GovernorTest, GoesUpAgainWhenTheLoadHasGone) {
  Governor governor(99, {.cpu_cores = 0.006});
  Run(governor, 300, [](const GovernorDecision& decision) { return 200e-6 * decision.frequency_hz; });
  EXPECT_LT(governor.decision().frequency_hz, 40);
  Run(governor, 900, [](const GovernorDecision& decision) { return 10e-6 * decision.frequency_hz; });
  EXPECT_EQ(governor.decision().frequency_hz, 99);
}

TEST_F(GovernorTest, ABurstChangesNothingIfItsMinuteIsAfforded) {
  Governor governor(99, {.cpu_cores = 0.006});
  Run(governor, 60, Usual);
  use_.cpu_seconds += 0.03;
  Run(governor, 60, Usual);
  EXPECT_EQ(governor.steps(), 0u);
}

TEST_F(GovernorTest, DropsDetailOnlyAtTheLowestFrequencyAndPausesLast) {
  Governor governor(99, {.cpu_cores = 0.006});
  Detail seen = Detail::kFull;
  for (int i = 0; i < 600; ++i) {
    Run(governor, 1, [](const GovernorDecision& d) { return d.detail == Detail::kPaused ? 0.02 : 0.05; });
    const GovernorDecision& decision = governor.decision();
    if (decision.detail != seen) {
      EXPECT_EQ(static_cast<int>(decision.detail), static_cast<int>(seen) + 1);
      EXPECT_LE(decision.frequency_hz, 1);
      seen = decision.detail;
    }
  }
  EXPECT_EQ(seen, Detail::kPaused);
  EXPECT_EQ(governor.decision().frequency_hz, 0);
  Run(governor, 1500, Usual);
  EXPECT_EQ(governor.decision().detail, Detail::kFull);
  EXPECT_GT(governor.decision().frequency_hz, 50);
}

TEST_F(GovernorTest, EmptiesCachesBeforeTheMemoryLimitAndSlowsDownBeyondIt) {
  Governor governor(99, {.memory_bytes = 64 << 20});
  use_.memory_bytes = 60 << 20;
  Run(governor, 20, Usual);
  EXPECT_EQ(governor.decision(), (GovernorDecision{.frequency_hz = 99, .small_caches = true}));
  use_.memory_bytes = 70 << 20;
  Run(governor, 30, Usual);
  EXPECT_LT(governor.decision().frequency_hz, 60);
  use_.memory_bytes = 30 << 20;
  Run(governor, 600, Usual);
  EXPECT_EQ(governor.decision(), (GovernorDecision{.frequency_hz = 99}));
}

TEST_F(GovernorTest, NewWishesKeepWhatIsKnownOfTheCost) {
  Governor governor(997, {.cpu_cores = 0.006});
  Run(governor, 300, Usual);
  const int afforded = governor.decision().frequency_hz;
  governor.SetFrequency(499);
  EXPECT_EQ(governor.decision().frequency_hz, afforded);
  governor.SetFrequency(19);
  EXPECT_EQ(governor.decision().frequency_hz, 19);
  governor.SetFrequency(25);
  EXPECT_EQ(governor.decision().frequency_hz, 25);
}

TEST_F(GovernorTest, AClockThatStandsStillOrCpuTimeThatFallsHarmsNothing) {
  Governor governor(99, {.cpu_cores = 0.006});
  governor.Update(use_);
  governor.Update(use_);
  use_.time_ns += kSecond;
  use_.cpu_seconds -= 1;
  EXPECT_EQ(governor.Update(use_).frequency_hz, 99);
}

}  // namespace
}  // namespace kiln::agent
