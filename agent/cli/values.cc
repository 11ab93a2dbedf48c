// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/values.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string>

namespace kiln::agent {
namespace {

bool IsDecimal(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos &&
         std::count(text.begin(), text.end(), '.') <= 1 && text != ".";
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

StatusOr<int64_t> ParseWholeNumber(std::string_view option, std::string_view text, int64_t least, int64_t most) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stopped != end || number < least || number > most) {
    return Error(absl::StatusCode::kInvalidArgument, "{} is '{}': give a whole number from {} to {}", option, text,
                 least, most);
  }
  return number;
}

StatusOr<uint64_t> ParseBytes(std::string_view option, std::string_view text, uint64_t least, uint64_t most) {
  struct Unit {
    std::string_view name;
    uint64_t bytes;
  };
  static constexpr Unit kUnits[] = {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"", 1}};
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  const std::string_view name(stopped, static_cast<size_t>(end - stopped));
  for (const Unit& unit : kUnits) {
    if (error != std::errc() || name != unit.name || number > most / unit.bytes) continue;
    if (number * unit.bytes >= least) return number * unit.bytes;
  }
  return Error(absl::StatusCode::kInvalidArgument, "{} is '{}': give a size from {}MiB to {}MiB, such as 64MiB", option,
               text, least >> 20, most >> 20);
}

StatusOr<double> ParseNumber(std::string_view option, std::string_view text, double least, double most) {
  double number = 0;
  const char* end = text.data() + text.size();
  if (IsDecimal(text)) {
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && stopped == end && number >= least && number <= most) return number;
  }
  return Error(absl::StatusCode::kInvalidArgument, "{} is '{}': give a number from {} to {}", option, text, least,
               most);
}

StatusOr<absl::Duration> ParseDuration(std::string_view option, std::string_view text) {
  absl::Duration duration;
  const std::string with_unit = IsDecimal(text) ? std::string(text) + "s" : std::string(text);
  const bool starts_right = !text.empty() && (std::isdigit(static_cast<unsigned char>(text.front())) != 0);
  if (!starts_right || !absl::ParseDuration(with_unit, &duration)) {
    return Error(absl::StatusCode::kInvalidArgument, "{} is '{}': give a time such as 10s, 500ms, 2m or 1h", option,
                 text);
  }
  if (duration <= absl::ZeroDuration() || duration > absl::Hours(10'000)) {
    return Error(absl::StatusCode::kInvalidArgument, "{} is '{}': give a time above zero and up to 10000h", option,
                 text);
  }
  return duration;
}

std::optional<uint64_t> ParseAddress(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  uint64_t address = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, address, 16);
  // from_chars takes a minus sign even here.
  if (error != std::errc() || stopped != end || text.starts_with('-')) return std::nullopt;
  return address;
}

std::string_view ClosestWord(std::string_view word, const std::vector<std::string_view>& choices) {
  if (word.size() > 64) return "";
  std::string_view best;
  size_t best_distance = 3;
  for (const std::string_view choice : choices) {
    const size_t distance = EditDistance(word, choice);
    if (distance < best_distance && distance < choice.size()) {
      best = choice;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace kiln::agent
