// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>
#include <signal.h>

#include <initializer_list>

#include "base/fd.h"
#include "base/status.h"

namespace kiln::agent {

// SIGINT, SIGTERM, SIGHUP, SIGCHLD and `others` as something to wait for. Block them before the first thread starts:
// threads inherit the mask, and the signals then come here only. The old mask is put back on destruction.
// Thread-compatible.
class StopSignals {
 public:
  static StatusOr<StopSignals> Block(std::initializer_list<int> others = {});
  StopSignals(StopSignals&&) = default;
  StopSignals& operator=(StopSignals&&) = delete;
  ~StopSignals();

  // Returns after `timeout`, or earlier when a signal came.
  void Wait(absl::Duration timeout);
  // Readable when a signal came: for a poll(2) of one's own, to be followed by Wait without a timeout.
  int fd() const { return fd_.get(); }

  int interrupts() const { return interrupts_; }   // SIGINT so far
  bool terminated() const { return terminated_; }  // SIGTERM or SIGHUP came
  // Whether `signal` (of any kind) came since the last time this was asked.
  bool Take(int signal);
  const sigset_t& previous_mask() const { return previous_; }

 private:
  StopSignals(UniqueFd fd, const sigset_t& previous) : fd_(std::move(fd)), previous_(previous) { sigemptyset(&came_); }

  UniqueFd fd_;
  sigset_t previous_;
  sigset_t came_;
  int interrupts_ = 0;
  bool terminated_ = false;
};

}  // namespace kiln::agent
