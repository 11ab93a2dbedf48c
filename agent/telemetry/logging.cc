// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/logging.h"

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/clock.h"

namespace kiln::agent {
namespace {

// Keys may come from outside (names of processes).
constexpr size_t kMaxRepeats = 1024;

void WriteToStderr(std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody reads it: no reason to stop working
    line.remove_prefix(static_cast<size_t>(written));
  }
}

LogSeverity SeverityOf(spdlog::level::level_enum level) {
  if (level >= spdlog::level::err) return LogSeverity::kError;
  if (level == spdlog::level::warn) return LogSeverity::kWarn;
  return level == spdlog::level::info ? LogSeverity::kInfo : LogSeverity::kDebug;
}

}  // namespace

bool GoesToJournal(const char* variable, int fd) {
  struct stat info {};
  if (variable == nullptr || ::fstat(fd, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == variable;
}

// Hands spdlog's messages on until its log is gone; spdlog's registry may outlive that.
class AgentLog::Sink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit Sink(AgentLog* log) : log_(log) {}
  void Close() {
    const std::lock_guard lock(mutex_);
    log_ = nullptr;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (log_ == nullptr) return;
    log_->Write(SeverityOf(message.level), "log", {message.payload.data(), message.payload.size()});
  }
  void flush_() override {}

 private:
  AgentLog* log_;
};

AgentLog::AgentLog(LogSettings settings, std::function<void(std::string_view)> write, std::function<absl::Time()> now,
                   std::function<absl::Duration()> monotonic)
    : write_(write ? std::move(write) : WriteToStderr),
      now_(std::move(now)),
      monotonic_(monotonic ? std::move(monotonic)
                           : [] { return absl::Nanoseconds(static_cast<int64_t>(MonotonicNs())); }),
      settings_(settings) {}

AgentLog::~AgentLog() {
  if (sink_ != nullptr) sink_->Close();
}

void AgentLog::WriteLine(const LogRecord& record) {
  std::string line;
  if (settings_.journal) line += JournalPrefix(record.severity);
  line += settings_.format == LogFormat::kJson ? RenderLogJson(record) : RenderLogText(record, !settings_.journal);
  line += '\n';
  write_(line);
}

void AgentLog::Write(LogSeverity severity, std::string_view event, std::string_view message, LogFields fields) {
  const std::lock_guard lock(mutex_);
  if (severity < settings_.severity) return;
  WriteLine({.time = now_(), .severity = severity, .event = event, .message = message, .fields = std::move(fields)});
}

void AgentLog::Limited(LogSeverity severity, std::string_view event, std::string_view key, std::string_view message,
                       LogFields fields) {
  const std::lock_guard lock(mutex_);
  if (severity < settings_.severity) return;
  const absl::Duration now = monotonic_();
  const auto [entry, first] =
      repeats_.try_emplace({std::string(event), std::string(key)}, Repeat{.since = now, .severity = severity});
  Repeat& repeat = entry->second;
  if (!first && now - repeat.since < settings_.repeat_interval) {
    ++repeat.suppressed;
    return;
  }
  if (repeat.suppressed > 0) fields.emplace_back("suppressed", repeat.suppressed);
  repeat = {.since = now, .severity = severity};
  WriteLine({.time = now_(), .severity = severity, .event = event, .message = message, .fields = std::move(fields)});
  if (repeats_.size() > kMaxRepeats) {
    std::erase_if(repeats_, [&](const auto& other) { return other.second.suppressed == 0; });
    if (repeats_.size() > kMaxRepeats) {
      Report(*repeats_.begin());
      repeats_.erase(repeats_.begin());
    }
  }
}

void AgentLog::ReportSuppressed(bool now_all) {
  const std::lock_guard lock(mutex_);
  const absl::Duration now = monotonic_();
  for (auto& entry : repeats_) {
    Repeat& repeat = entry.second;
    if (repeat.suppressed == 0 || (!now_all && now - repeat.since < settings_.repeat_interval)) continue;
    Report(entry);
    repeat = {.since = now, .severity = repeat.severity};
  }
}

void AgentLog::Report(const Repeats::value_type& entry) {
  const auto& [name, repeat] = entry;
  LogFields fields;
  if (!name.second.empty()) fields.emplace_back("key", name.second);
  fields.emplace_back("suppressed", repeat.suppressed);
  WriteLine({.time = now_(),
             .severity = repeat.severity,
             .event = name.first,
             .message = "the same was held back since it was last written",
             .fields = std::move(fields)});
}

void AgentLog::Configure(LogSeverity severity, LogFormat format) {
  const std::lock_guard lock(mutex_);
  settings_.severity = severity;
  settings_.format = format;
}

void AgentLog::TakeOverSpdlog() {
  if (sink_ == nullptr) sink_ = std::make_shared<Sink>(this);
  auto logger = std::make_shared<spdlog::logger>("kiln agent", sink_);
  logger->set_level(spdlog::level::trace);  // severity is judged here
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace kiln::agent
