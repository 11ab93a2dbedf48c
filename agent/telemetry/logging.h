// SPDX-License-Identifier: Apache-2.0
// The log of the agent: lines on stderr. What repeats is held back and counted, so that a broken peer costs a line a
// minute and not the disk. Only agent/ speaks; libraries return.
//
//   AgentLog log({.severity = LogSeverity::kInfo});
//   log.Info("agent.started", "sampling 4 CPUs at 19 Hz", {{"cpus", int64_t{4}}});
//   log.Limited(LogSeverity::kWarn, "export.failed", id, "the server answered 503", {{"exporter", id}});
#pragma once

#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "agent/telemetry/log_line.h"

namespace kiln::agent {

enum class LogFormat : uint8_t {
  kText,  // for people; where stderr goes to systemd's journal without time, with "<N>" for the severity
  kJson,  // a JSON object per line
};

struct LogSettings {
  LogSeverity severity = LogSeverity::kInfo;  // what is less is not written
  LogFormat format = LogFormat::kText;
  bool journal = false;                               // see GoesToJournal
  absl::Duration repeat_interval = absl::Minutes(1);  // Limited: one line per event and key in this time
};

// True if the variable JOURNAL_STREAM ("device:inode", systemd.exec(5)) names what is open as `fd`. `variable` may be
// null.
bool GoesToJournal(const char* variable, int fd);

// Thread-safe. A line is written by one call, whole.
class AgentLog {
 public:
  // `write` takes a line with its end; by default it goes to stderr, as far as that takes it. `now` is the wall clock
  // for the stamp, `monotonic` measures repeat_interval.
  explicit AgentLog(LogSettings settings, std::function<void(std::string_view line)> write = nullptr,
                    std::function<absl::Time()> now = absl::Now, std::function<absl::Duration()> monotonic = nullptr);
  ~AgentLog();
  AgentLog(const AgentLog&) = delete;
  AgentLog& operator=(const AgentLog&) = delete;

  void Write(LogSeverity severity, std::string_view event, std::string_view message, LogFields fields = {});
  void Debug(std::string_view event, std::string_view message, LogFields fields = {}) {
    Write(LogSeverity::kDebug, event, message, std::move(fields));
  }
  void Info(std::string_view event, std::string_view message, LogFields fields = {}) {
    Write(LogSeverity::kInfo, event, message, std::move(fields));
  }
  void Warn(std::string_view event, std::string_view message, LogFields fields = {}) {
    Write(LogSeverity::kWarn, event, message, std::move(fields));
  }
  void Error(std::string_view event, std::string_view message, LogFields fields = {}) {
    Write(LogSeverity::kError, event, message, std::move(fields));
  }

  // For what may repeat: the first of an event and key is written, the next ones only once repeat_interval has passed,
  // then with the field "suppressed", the number of those in between.
  void Limited(LogSeverity severity, std::string_view event, std::string_view key, std::string_view message,
               LogFields fields = {});

  // Writes a line for each event that was held back and whose interval is over (all with `now_all`), so that the last
  // ones are told too. To be called now and then, and at the end.
  void ReportSuppressed(bool now_all = false);

  // At a reload.
  void Configure(LogSeverity severity, LogFormat format);

  // From now on spdlog's default logger (spdlog::warn …) writes here, as event "log". For main only: it is the
  // process's.
  void TakeOverSpdlog();

 private:
  struct Repeat {
    absl::Duration since;  // monotonic, of the last line
    LogSeverity severity;
    int64_t suppressed = 0;
  };
  using Repeats = std::map<std::pair<std::string, std::string>, Repeat>;  // by event and key
  class Sink;

  // With mutex_ held:
  void WriteLine(const LogRecord& record);
  void Report(const Repeats::value_type& entry);

  const std::function<void(std::string_view)> write_;
  const std::function<absl::Time()> now_;
  const std::function<absl::Duration()> monotonic_;
  std::mutex mutex_;
  LogSettings settings_;
  Repeats repeats_;
  std::shared_ptr<Sink> sink_;  // where spdlog was taken over
};

}  // namespace kiln::agent
