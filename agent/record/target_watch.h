// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/fd.h"

namespace kiln::agent {

// Tells when the last of some processes has ended, also if nobody has collected it yet (a zombie still has its pid, and
// kill(pid, 0) succeeds). By pidfd_open(2), Linux 5.3. Thread-compatible.
class TargetWatch {
 public:
  explicit TargetWatch(const std::vector<int>& pids);

  // False once all have ended, and if there were none.
  bool AnyAlive();

 private:
  std::vector<UniqueFd> alive_;
};

}  // namespace kiln::agent
