// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/sd_notify.h"

#include <absl/strings/numbers.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>

#include "agent/telemetry/text.h"
#include "base/fd.h"

namespace kiln::agent {

ServiceNotifier::ServiceNotifier(const std::function<const char*(const char*)>& variable) {
  if (const char* path = variable("NOTIFY_SOCKET"); path != nullptr) socket_path_ = path;
  const char* interval = variable("WATCHDOG_USEC");
  const char* pid = variable("WATCHDOG_PID");
  int64_t microseconds = 0;
  int64_t watched = 0;
  if (interval == nullptr || !absl::SimpleAtoi(interval, &microseconds) || microseconds <= 0) return;
  if (pid != nullptr && (!absl::SimpleAtoi(pid, &watched) || watched != ::getpid())) return;
  watchdog_interval_ = absl::Microseconds(microseconds);
}

Status ServiceNotifier::Send(const std::string& state) const {
  if (!enabled()) return absl::OkStatus();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool abstract = socket_path_[0] == '@';
  if ((socket_path_[0] != '/' && !abstract) || socket_path_.size() >= sizeof(address.sun_path)) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "NOTIFY_SOCKET is '{}': kiln tells a service manager by a path or @name of a Unix socket only",
                 VisibleText(socket_path_));
  }
  socket_path_.copy(address.sun_path, socket_path_.size());
  if (abstract) address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_path_.size());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ErrnoError(errno, "cannot make a socket for the service manager");
  // Not waiting: a manager that does not read must not stop the agent.
  if (::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&address), length) != static_cast<ssize_t>(state.size())) {
    return ErrnoError(errno, "cannot tell the service manager ({})", VisibleText(socket_path_));
  }
  return absl::OkStatus();
}

Status ServiceNotifier::Ready(std::string_view status) const {
  return Send("READY=1\nSTATUS=" + VisibleText(status) + "\n");
}
Status ServiceNotifier::Reloading(uint64_t now_ns) const {
  return Send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\n", now_ns / 1000));
}
Status ServiceNotifier::Stopping() const { return Send("STOPPING=1\n"); }
Status ServiceNotifier::SetStatus(std::string_view status) const {
  return Send("STATUS=" + VisibleText(status) + "\n");
}
Status ServiceNotifier::Watchdog() const { return Send("WATCHDOG=1\n"); }

}  // namespace kiln::agent
