// SPDX-License-Identifier: Apache-2.0
// One line of the agent's log, as text or as JSON.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace kiln::agent {

enum class LogSeverity : uint8_t {
  kDebug,  // what is decided and why
  kInfo,   // start, stop, changes of the configuration and of the governor's level
  kWarn,   // something is lost, limited or late, and the agent goes on
  kError,  // something that was asked for does not work
};

std::string_view SeverityName(LogSeverity severity);  // "debug", "info", "warn", "error"

using LogValue = std::variant<std::string, int64_t, double, bool>;
using LogFields = std::vector<std::pair<std::string, LogValue>>;

struct LogRecord {
  absl::Time time;
  LogSeverity severity = LogSeverity::kInfo;
  std::string_view event;    // what happened, stable, for machines: "export.failed"
  std::string_view message;  // one sentence for people
  LogFields fields;
};

// Values of secret names are left out and secrets within texts are replaced (see RedactSecrets); control characters and
// the like can't leave the line. Both without an end of line.

// 2026-11-22T08:33:44.123Z INFO  export.failed: message key=value key="two words"
// Without `with_time` it begins with the event: a journal brings time and severity itself.
std::string RenderLogText(const LogRecord& record, bool with_time);

// {"time":"2026-11-22T08:33:44.123Z","level":"info","event":"…","message":"…","key":"value"}; a field with the name of
// one of the first four gets a "_" behind it.
std::string RenderLogJson(const LogRecord& record);

// "<6>" before a line tells systemd's journal its severity (sd-daemon(3)).
std::string_view JournalPrefix(LogSeverity severity);

}  // namespace kiln::agent
