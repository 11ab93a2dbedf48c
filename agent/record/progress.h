// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <string>

#include "agent/session/session.h"

namespace kiln::agent {

struct ProgressLine {
  absl::Duration elapsed;
  std::optional<absl::Duration> limit;  // --duration
  Session::Progress counts;
  double own_cpu_percent = 0;  // of one CPU, user and system time of kiln itself
};

// "00:12  4,731 samples  99.2 % complete stacks  0 lost  kiln 0.4 % CPU", with "00:12 / 00:30" if there is a limit.
std::string RenderProgress(const ProgressLine& line);

// User and system time that this process has used, in seconds.
double OwnCpuSeconds();

}  // namespace kiln::agent
