// SPDX-License-Identifier: Apache-2.0
#include "agent/top/plain_output.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace kiln::agent {

Status WriteUnlessStopped(int fd, std::string_view text, StopSignals& signals) {
  const auto stopped = [&] { return signals.interrupts() > 0 || signals.terminated(); };
  while (!text.empty()) {
    std::array<pollfd, 2> polls{
        {{.fd = fd, .events = POLLOUT, .revents = 0}, {.fd = signals.fd(), .events = POLLIN, .revents = 0}}};
    if (::poll(polls.data(), polls.size(), stopped() ? 0 : -1) < 0 && errno != EINTR)
      return ErrnoError(errno, "cannot wait to write");
    if (polls[1].revents != 0) signals.Wait(absl::ZeroDuration());
    if (polls[0].revents == 0) {
      if (stopped()) return absl::CancelledError("a signal came");
      continue;
    }
    // A pipe that takes anything takes this much without waiting.
    const ssize_t written = ::write(fd, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0) return ErrnoError(errno, "cannot write the table");
    text.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace kiln::agent
