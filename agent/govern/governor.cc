// SPDX-License-Identifier: Apache-2.0
#include "agent/govern/governor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace kiln::agent {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr double kMinStepTime = 20, kMaxStepTime = 120;
// Of the mean that is shown.
constexpr double kMeanSeconds = 10;
// Over which what was overdrawn is saved again.
constexpr double kSettleSeconds = 120;
// Of what the limit grants: saved at most, overdrawn at most.
constexpr double kMaxSavedSeconds = 30;
constexpr double kMaxOverdrawnSeconds = 120;
// Aimed at, of the limit: what is measured comes a second late, and varies.
constexpr double kTarget = 0.85;
// What is aimed at while something has to be saved: few samples that tell little are a waste, too.
constexpr double kMinTarget = 0.4;
// More is used again only where less than this part of the target is used.
constexpr double kCalm = 0.85;
constexpr double kMaxUp = 1.5;
constexpr double kMinFactor = 0.4;
constexpr double kMinHz = 1;
// What a sample costs in all where stacks are deep and programs many.
constexpr double kDearSampleSeconds = 50e-6;
// Of the memory limit: caches shrink from here on, and grow again below.
constexpr double kMemoryHigh = 0.9;
constexpr double kMemoryLow = 0.75;

double FirstHz(int wanted_hz, const GovernorLimits& limits, int sampled_cpus) {
  if (limits.cpu_cores == 0 || sampled_cpus == 0) return wanted_hz;
  return std::clamp(kTarget * limits.cpu_cores / (kDearSampleSeconds * sampled_cpus), kMinHz,
                    static_cast<double>(wanted_hz));
}

}  // namespace

std::string_view DetailName(Detail detail) {
  switch (detail) {
    case Detail::kFull: return "full";
    case Detail::kLongWindows: return "long windows";
    case Detail::kNoStackCopies: return "no copied stacks";
    case Detail::kPaused: return "paused";
  }
  return "";
}

Governor::Governor(int frequency_hz, const GovernorLimits& limits, int sampled_cpus)
    : wanted_hz_(frequency_hz),
      limits_(limits),
      exact_hz_(FirstHz(frequency_hz, limits, sampled_cpus)),
      step_time_(kMinStepTime) {
  decision_.frequency_hz = static_cast<int>(std::lround(exact_hz_));
}

void Governor::SetFrequency(int frequency_hz) {
  // What was afforded so far is afforded still.
  const bool was_free = exact_hz_ >= wanted_hz_;
  wanted_hz_ = frequency_hz;
  exact_hz_ = was_free ? frequency_hz : std::min<double>(exact_hz_, frequency_hz);
  if (decision_.detail != Detail::kPaused)
    decision_.frequency_hz = std::max(1, static_cast<int>(std::lround(exact_hz_)));
}

void Governor::SetLimits(const GovernorLimits& limits) {
  if (limits == limits_) return;
  limits_ = limits;
  account_ = 0;
}

void Governor::SetWindow(double seconds) { step_time_ = std::clamp(2 * seconds, kMinStepTime, kMaxStepTime); }

void Governor::StepDown(double factor) {
  if (decision_.detail == Detail::kFull && exact_hz_ > kMinHz) {
    exact_hz_ = std::max(kMinHz, exact_hz_ * std::clamp(factor, kMinFactor, 0.95));
  } else if (decision_.detail != Detail::kPaused) {
    decision_.detail = static_cast<Detail>(static_cast<uint8_t>(decision_.detail) + 1);
  }
}

void Governor::StepUp(double factor) {
  if (decision_.detail != Detail::kFull) {
    decision_.detail = static_cast<Detail>(static_cast<uint8_t>(decision_.detail) - 1);
  } else {
    exact_hz_ = std::min<double>(wanted_hz_, std::max(exact_hz_ * std::clamp(factor, 1.05, kMaxUp), exact_hz_ + 1));
  }
}

GovernorDecision Governor::Update(const ResourceUse& use) {
  if (!started_) {
    started_ = true;
    last_ = use;
    return decision_;
  }
  if (use.time_ns <= last_.time_ns) return decision_;
  const double seconds = static_cast<double>(use.time_ns - last_.time_ns) / static_cast<double>(kSecond);
  const double used = std::max(0.0, use.cpu_seconds - last_.cpu_seconds);
  mean_cores_ += (1 - std::exp(-seconds / kMeanSeconds)) * (used / seconds - mean_cores_);
  last_ = use;
  seconds_ += seconds;
  cpu_seconds_ += used;
  const GovernorDecision before = decision_;
  const double mean = cpu_seconds_ / seconds_;  // since the last step
  if (seconds_ >= 2 * step_time_) {             // what is long ago counts less and less
    seconds_ /= 2;
    cpu_seconds_ /= 2;
  }
  double wish = 1;  // by which the frequency should change

  if (limits_.cpu_cores > 0) {
    const double limit = limits_.cpu_cores;
    account_ = std::clamp(account_ + limit * kTarget * seconds - used, -limit * kMaxOverdrawnSeconds,
                          limit * kMaxSavedSeconds);
    const double target =
        std::max(limit * kTarget + std::min(0.0, account_) / kSettleSeconds, limit * kTarget * kMinTarget);
    const bool is_far_over = mean > 2 * limit;
    if (mean > target && (account_ < 0 || is_far_over)) {
      if (seconds_ >= (is_far_over ? step_time_ / 4 : step_time_)) wish = target / mean;
    } else if (mean < kCalm * target) {
      wish = kCalm * target / std::max(mean, 1e-9);
    }
  } else {
    wish = kMaxUp;
  }
  if (wish < 1) StepDown(wish);

  bool is_short = false;
  if (limits_.memory_bytes > 0) {
    const auto share = static_cast<double>(use.memory_bytes) / static_cast<double>(limits_.memory_bytes);
    if (share > kMemoryHigh) {
      is_short = share > 1;
      // Caches first; what is distinct in a window follows the number of its samples.
      if (decision_.small_caches && is_short && seconds_ >= step_time_ / 2 && decision_ == before && wish >= 1)
        StepDown(0.5);
      decision_.small_caches = true;
    } else if (share < kMemoryLow) {
      decision_.small_caches = false;
    }
  }
  const bool is_lowered = exact_hz_ < wanted_hz_ || decision_.detail != Detail::kFull;
  if (wish > 1 && is_lowered && !is_short && seconds_ >= step_time_) StepUp(wish);

  decision_.frequency_hz =
      decision_.detail == Detail::kPaused ? 0 : std::max(1, static_cast<int>(std::lround(exact_hz_)));
  if (decision_ == before) return decision_;
  ++steps_;
  reason_ = fmt::format("CPU {:.4f} cores", mean);
  if (limits_.cpu_cores > 0) reason_ += fmt::format(" (limit {:.4f})", limits_.cpu_cores);
  if (limits_.memory_bytes > 0) {
    reason_ += fmt::format(", memory {:.1f} MiB (limit {:.1f})", static_cast<double>(use.memory_bytes) / 1048576.0,
                           static_cast<double>(limits_.memory_bytes) / 1048576.0);
  }
  seconds_ = cpu_seconds_ = 0;
  return decision_;
}

}  // namespace kiln::agent
