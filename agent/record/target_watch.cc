// SPDX-License-Identifier: Apache-2.0
#include "agent/record/target_watch.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kiln::agent {

TargetWatch::TargetWatch(const std::vector<int>& pids) {
  for (const int pid : pids) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (fd.valid()) alive_.push_back(std::move(fd));
  }
}

bool TargetWatch::AnyAlive() {
  // A pidfd becomes readable when the process ends.
  std::erase_if(alive_, [](const UniqueFd& fd) {
    pollfd poll{.fd = fd.get(), .events = POLLIN, .revents = 0};
    return ::poll(&poll, 1, 0) > 0;
  });
  return !alive_.empty();
}

}  // namespace kiln::agent
