// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/log_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "agent/telemetry/text.h"
#include "base/json_string.h"
#include "profile/utf8.h"

namespace kiln::agent {
namespace {

std::string TimeText(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone()); }

std::string Plain(const std::string& name, const LogValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return IsSecretName(name) ? "[redacted]" : RedactSecrets(*text);
  }
  if (const auto* number = std::get_if<int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{:.6g}", *number);
  return std::get<bool>(value) ? "true" : "false";
}

// As it is, or in quotes where a reader could not tell where it ends.
std::string Quoted(const std::string& text) {
  const bool plain = !text.empty() && std::ranges::none_of(text, [](char c) {
    return c == ' ' || c == '"' || c == '=' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
  });
  if (plain) return VisibleText(text);
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return '"' + VisibleText(escaped) + '"';
}

// Whole, with U+2028 and the like kept: JSON readers don't print.
std::string Json(std::string_view text) { return JsonString(profile::ToValidUtf8(text)); }

}  // namespace

std::string_view SeverityName(LogSeverity severity) {
  switch (severity) {
    case LogSeverity::kDebug: return "debug";
    case LogSeverity::kInfo: return "info";
    case LogSeverity::kWarn: return "warn";
    case LogSeverity::kError: return "error";
  }
  return "error";
}

std::string_view JournalPrefix(LogSeverity severity) {
  switch (severity) {
    case LogSeverity::kDebug: return "<7>";
    case LogSeverity::kInfo: return "<6>";
    case LogSeverity::kWarn: return "<4>";
    case LogSeverity::kError: return "<3>";
  }
  return "<3>";
}

std::string RenderLogText(const LogRecord& record, bool with_time) {
  std::string line;
  if (with_time) {
    std::string level(SeverityName(record.severity));
    std::ranges::transform(level, level.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
    line = fmt::format("{} {:<5} ", TimeText(record.time), level);
  }
  line += fmt::format("{}: {}", VisibleText(record.event), VisibleText(RedactSecrets(record.message)));
  for (const auto& [name, value] : record.fields) {
    line += fmt::format(" {}={}", VisibleText(name), Quoted(Plain(name, value)));
  }
  return line;
}

std::string RenderLogJson(const LogRecord& record) {
  std::string line =
      fmt::format(R"({{"time":"{}","level":"{}","event":{},"message":{})", TimeText(record.time),
                  SeverityName(record.severity), Json(record.event), Json(RedactSecrets(record.message)));
  for (const auto& [name, value] : record.fields) {
    const bool taken = name == "time" || name == "level" || name == "event" || name == "message";
    const std::string plain = Plain(name, value);
    const auto* number = std::get_if<double>(&value);
    const bool text = std::holds_alternative<std::string>(value) || (number != nullptr && !std::isfinite(*number));
    line += fmt::format(",{}:{}", Json(taken ? name + "_" : name), text ? Json(plain) : plain);
  }
  return line + "}";
}

}  // namespace kiln::agent
