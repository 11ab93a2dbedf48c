// SPDX-License-Identifier: Apache-2.0
// Keeps the agent's own cost below its limits: it is told each second what the agent has used so far, and says how fast
// and with how much detail to sample. First the frequency goes down; only at its lowest does detail go. Windows carry
// their frequency as their period, so totals stay right whatever it is.
//
// CPU time is kept like an account: what the limit grants per second comes in, what was used goes out. A burst, the
// naming at a window's end or new programs, is paid from what was saved before it changes the frequency; what was
// overdrawn is saved over the two minutes that follow. A step is judged by what was used since the last one, two
// windows at least, unless that is twice the limit: the effect of a step has to be seen first.
//
// Pure logic, no clock of its own. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>

namespace kiln::agent {

// 0 = no limit.
struct GovernorLimits {
  double cpu_cores = 0;       // CPU seconds per second
  uint64_t memory_bytes = 0;  // resident
  friend bool operator==(const GovernorLimits&, const GovernorLimits&) = default;
};

// What was used since the start.
struct ResourceUse {
  uint64_t time_ns = 0;       // CLOCK_MONOTONIC of the reading
  double cpu_seconds = 0;     // user, system, and in the kernel on the sampled programs' behalf (BPF)
  uint64_t memory_bytes = 0;  // resident, now
};

// In this order; each step leaves out what those before do, too.
enum class Detail : uint8_t {
  kFull,
  kLongWindows,    // windows are four times as long: naming and sending happen more rarely
  kNoStackCopies,  // programs whose unwind tables are missing have short stacks, until the tables are there
  kPaused,         // no samples
};
// For people: "full", "long windows" …
std::string_view DetailName(Detail detail);

struct GovernorDecision {
  int frequency_hz = 0;  // 0 only if paused
  Detail detail = Detail::kFull;
  bool small_caches = false;  // memory is short: caches are to be emptied
  friend bool operator==(const GovernorDecision&, const GovernorDecision&) = default;
};

class Governor {
 public:
  // `frequency_hz` is what is wanted, and never exceeded. With a limit of CPU time and the number of CPUs that are
  // sampled it begins with what samples that are dear would leave of it, and goes up from there.
  Governor(int frequency_hz, const GovernorLimits& limits, int sampled_cpus = 0);

  // Once a second or so.
  GovernorDecision Update(const ResourceUse& use);

  // New wishes: takes effect with the next Update. What is known of the cost stays known.
  void SetFrequency(int frequency_hz);
  void SetLimits(const GovernorLimits& limits);
  // Length of the windows: what naming costs comes that often.
  void SetWindow(double seconds);

  const GovernorDecision& decision() const { return decision_; }
  // Why the last step was taken, for a log: "CPU 0.41 % of the machine, limit 0.30 %". "" before the first.
  const std::string& reason() const { return reason_; }
  // Cores used, the mean of the last ten seconds or so.
  double cpu_cores() const { return mean_cores_; }
  double account_seconds() const { return account_; }  // CPU seconds saved (overdrawn if negative)
  uint64_t steps() const { return steps_; }

 private:
  void StepDown(double factor);
  void StepUp(double factor);

  int wanted_hz_;
  GovernorLimits limits_;
  GovernorDecision decision_;
  ResourceUse last_;
  bool started_ = false;
  double exact_hz_;  // before rounding
  double mean_cores_ = 0;
  double account_ = 0;
  double step_time_;        // seconds
  double seconds_ = 0;      // since the last step
  double cpu_seconds_ = 0;  // used meanwhile
  std::string reason_;
  uint64_t steps_ = 0;
};

}  // namespace kiln::agent
