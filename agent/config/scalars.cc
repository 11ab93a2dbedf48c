// SPDX-License-Identifier: Apache-2.0
#include "agent/config/scalars.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace kiln::agent::config {
namespace {

constexpr std::array<std::pair<std::string_view, int64_t>, 3> kUnits = {
    {{"GiB", int64_t{1} << 30}, {"MiB", int64_t{1} << 20}, {"KiB", int64_t{1} << 10}}};
constexpr size_t kMaxLength = 64;  // of what may be a number

}  // namespace

std::optional<int64_t> ParseInt(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

std::optional<double> ParseNumber(std::string_view text) {
  // from_chars also takes "inf" and "nan".
  if (text.empty() || text.size() > kMaxLength || text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) {
    return std::nullopt;
  }
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stopped != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

std::string NumberText(double number) { return fmt::format("{}", number); }

std::optional<absl::Duration> ParseDuration(std::string_view text) {
  if (text.empty() || text.size() > kMaxLength) return std::nullopt;
  const auto first = static_cast<unsigned char>(text.front());
  absl::Duration duration;
  if (!absl::ascii_isdigit(first) && first != '.') return std::nullopt;
  if (!absl::ParseDuration(std::string(text), &duration) || duration == absl::InfiniteDuration()) return std::nullopt;
  return duration;
}

std::string DurationText(absl::Duration duration) {
  return duration == absl::ZeroDuration() ? "0s" : absl::FormatDuration(duration);
}

std::optional<int64_t> ParseBytes(std::string_view text) {
  if (const auto whole = ParseInt(text)) return *whole >= 0 ? whole : std::nullopt;
  for (const auto& [name, bytes] : {kUnits[0], kUnits[1], kUnits[2], {"B", 1}}) {
    if (!text.ends_with(name)) continue;
    std::string_view number_text = text.substr(0, text.size() - name.size());
    if (number_text.ends_with(' ')) number_text.remove_suffix(1);
    const auto number = ParseNumber(number_text);
    if (!number || *number < 0 || *number * static_cast<double>(bytes) > 9e18) return std::nullopt;
    return static_cast<int64_t>(*number * static_cast<double>(bytes));
  }
  return std::nullopt;
}

std::string BytesText(int64_t bytes) {
  for (const auto& [name, unit] : kUnits) {
    if (bytes >= unit && bytes % (unit / 2) == 0) {
      return fmt::format("{}{}", static_cast<double>(bytes) / static_cast<double>(unit), name);
    }
  }
  return fmt::format("{}", bytes);
}

}  // namespace kiln::agent::config
