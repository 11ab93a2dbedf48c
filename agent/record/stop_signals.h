// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>
#include <signal.h>

#include "base/fd.h"
#include "base/status.h"

namespace kiln::agent {

// SIGINT, SIGTERM, SIGHUP and SIGCHLD as something to wait for. Block them before the first thread starts: threads
// inherit the mask, and the signals then come here only. The old mask is put back on destruction. Thread-compatible.
class StopSignals {
 public:
  static StatusOr<StopSignals> Block();
  StopSignals(StopSignals&&) = default;
  StopSignals& operator=(StopSignals&&) = delete;
  ~StopSignals();

  // Returns after `timeout`, or earlier when a signal came.
  void Wait(absl::Duration timeout);

  int interrupts() const { return interrupts_; }   // SIGINT so far
  bool terminated() const { return terminated_; }  // SIGTERM or SIGHUP came
  const sigset_t& previous_mask() const { return previous_; }

 private:
  StopSignals(UniqueFd fd, const sigset_t& previous) : fd_(std::move(fd)), previous_(previous) {}

  UniqueFd fd_;
  sigset_t previous_;
  int interrupts_ = 0;
  bool terminated_ = false;
};

}  // namespace kiln::agent
