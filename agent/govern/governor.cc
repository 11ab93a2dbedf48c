// SPDX-License-Identifier: Apache-2.0
#include "agent/govern/governor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace kiln::agent {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kStepTime = 10 * kSecond;
constexpr double kMeanSeconds = 10;
// Over which the account is brought back to zero.
constexpr double kSettleSeconds = 60;
// Of what the limit grants: saved at most, overdrawn at most.
constexpr double kMaxSavedSeconds = 30;
constexpr double kMaxOverdrawnSeconds = 120;
// Aimed at, of the limit: what is measured comes a second late, and varies.
constexpr double kTarget = 0.85;
// More is used again only where this much of the target, at most, is used.
constexpr double kCalm = 0.85;
constexpr uint64_t kCalmTime = 30 * kSecond;
constexpr double kUp = 1.15;
constexpr double kMinFactor = 0.4;
constexpr double kMinHz = 1;
// Of the memory limit: caches shrink from here on, and grow again below.
constexpr double kMemoryHigh = 0.9;
constexpr double kMemoryLow = 0.75;

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

Governor::Governor(int frequency_hz, const GovernorLimits& limits)
    : wanted_hz_(frequency_hz), limits_(limits), decision_{.frequency_hz = frequency_hz}, exact_hz_(frequency_hz) {}

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
  next_step_ns_ = 0;
}

void Governor::StepDown(double factor) {
  if (decision_.detail == Detail::kFull && exact_hz_ > kMinHz) {
    exact_hz_ = std::max(kMinHz, exact_hz_ * std::clamp(factor, kMinFactor, 0.95));
  } else if (decision_.detail != Detail::kPaused) {
    decision_.detail = static_cast<Detail>(static_cast<uint8_t>(decision_.detail) + 1);
  }
}

void Governor::StepUp() {
  if (decision_.detail != Detail::kFull) {
    decision_.detail = static_cast<Detail>(static_cast<uint8_t>(decision_.detail) - 1);
  } else {
    exact_hz_ = std::min<double>(wanted_hz_, std::max(exact_hz_ * kUp, exact_hz_ + 1));
  }
}

GovernorDecision Governor::Update(const ResourceUse& use) {
  if (!started_) {
    started_ = true;
    last_ = use;
    calm_since_ns_ = use.time_ns;
    return decision_;
  }
  if (use.time_ns <= last_.time_ns) return decision_;
  const double seconds = static_cast<double>(use.time_ns - last_.time_ns) / static_cast<double>(kSecond);
  const double cores = std::max(0.0, use.cpu_seconds - last_.cpu_seconds) / seconds;
  const double weight = 1 - std::exp(-seconds / kMeanSeconds);
  mean_cores_ += weight * (cores - mean_cores_);
  last_ = use;
  const GovernorDecision before = decision_;
  const bool may_step = use.time_ns >= next_step_ns_;

  if (limits_.cpu_cores > 0) {
    const double limit = limits_.cpu_cores;
    account_ = std::clamp(account_ + (limit * kTarget - cores) * seconds, -limit * kMaxOverdrawnSeconds,
                          limit * kMaxSavedSeconds);
    const double target = limit * kTarget + std::min(0.0, account_) / kSettleSeconds;
    const bool is_over = mean_cores_ > target && (account_ < 0 || mean_cores_ > 2 * limit);
    if (mean_cores_ > kCalm * limit * kTarget || account_ < 0) calm_since_ns_ = use.time_ns;
    if (is_over && (may_step || (mean_cores_ > 2 * limit && use.time_ns + kStepTime / 2 >= next_step_ns_))) {
      StepDown(std::max(target, 0.0) / mean_cores_);
    }
  }
  bool is_short = false;
  if (limits_.memory_bytes > 0) {
    const auto share = static_cast<double>(use.memory_bytes) / static_cast<double>(limits_.memory_bytes);
    if (share > kMemoryHigh) {
      is_short = share > 1;
      // Caches first; what is distinct in a window follows the number of its samples.
      if (decision_.small_caches && is_short && may_step && decision_ == before) StepDown(0.5);
      decision_.small_caches = true;
    } else if (share < kMemoryLow) {
      decision_.small_caches = false;
    }
  }
  if (is_short) calm_since_ns_ = use.time_ns;
  const bool is_lowered = exact_hz_ < wanted_hz_ || decision_.detail != Detail::kFull;
  if (is_lowered && may_step && use.time_ns - calm_since_ns_ >= kCalmTime && decision_ == before) StepUp();

  decision_.frequency_hz =
      decision_.detail == Detail::kPaused ? 0 : std::max(1, static_cast<int>(std::lround(exact_hz_)));
  if (decision_ == before) return decision_;
  ++steps_;
  next_step_ns_ = use.time_ns + kStepTime;
  calm_since_ns_ = use.time_ns;
  reason_ = fmt::format("CPU {:.4f} cores", mean_cores_);
  if (limits_.cpu_cores > 0) reason_ += fmt::format(" (limit {:.4f})", limits_.cpu_cores);
  if (limits_.memory_bytes > 0) {
    reason_ += fmt::format(", memory {:.1f} MiB (limit {:.1f})", static_cast<double>(use.memory_bytes) / 1048576.0,
                           static_cast<double>(limits_.memory_bytes) / 1048576.0);
  }
  return decision_;
}

}  // namespace kiln::agent
