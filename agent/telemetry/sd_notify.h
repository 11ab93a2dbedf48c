// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace kiln::agent {

// Tells the service manager how the agent is: the datagram protocol of sd_notify(3), for units of Type=notify or
// notify-reload. Without a manager ($NOTIFY_SOCKET) every call does nothing and succeeds. Thread-safe.
class ServiceNotifier {
 public:
  // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID by `variable` (std::getenv, or a test's; null = not set).
  explicit ServiceNotifier(const std::function<const char*(const char*)>& variable);

  bool enabled() const { return !socket_path_.empty(); }
  // A Watchdog() has to come in each such time, or the manager restarts the agent: send it twice as often. 0 = not
  // asked for, or asked of another process.
  absl::Duration watchdog_interval() const { return watchdog_interval_; }

  // The agent samples and exports. `status` is one line for `systemctl status`.
  Status Ready(std::string_view status) const;
  // A reload begins; Ready ends it. `now_ns` is CLOCK_MONOTONIC.
  Status Reloading(uint64_t now_ns) const;
  Status Stopping() const;
  Status SetStatus(std::string_view status) const;
  Status Watchdog() const;

 private:
  Status Send(const std::string& state) const;

  std::string socket_path_;
  absl::Duration watchdog_interval_ = absl::ZeroDuration();
};

}  // namespace kiln::agent
