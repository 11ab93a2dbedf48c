// SPDX-License-Identifier: Apache-2.0
#include "exporters/retry_after.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>

#include <algorithm>
#include <limits>
#include <string>

namespace kiln::exporters {
namespace {

absl::Duration Bounded(absl::Duration wait) { return std::clamp(wait, absl::ZeroDuration(), kMaxRetryAfter); }

}  // namespace

std::optional<absl::Time> ParseHttpDate(std::string_view text) {
  const std::string date(absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size())));
  // absl::ParseTime knows more words than dates have ("infinite-future"), and longer texts are none either.
  if (date.size() < 24 || date.size() > 40) return std::nullopt;
  for (const char* format : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    absl::Time time;
    if (absl::ParseTime(format, date, absl::UTCTimeZone(), &time, nullptr)) return time;
  }
  return std::nullopt;
}

std::optional<absl::Duration> ParseRetryAfter(std::string_view text, absl::Time now) {
  const std::string value(absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size())));
  if (!value.empty() && std::ranges::all_of(value, [](unsigned char c) { return absl::ascii_isdigit(c); })) {
    int64_t seconds = 0;
    if (!absl::SimpleAtoi(value, &seconds)) return kMaxRetryAfter;  // more than fit
    return Bounded(absl::Seconds(seconds));
  }
  const std::optional<absl::Time> date = ParseHttpDate(value);
  if (!date.has_value()) return std::nullopt;
  return Bounded(*date - now);
}

std::optional<absl::Duration> RetryAfterOf(const HttpResponse& response, absl::Time now) {
  const std::optional<std::string_view> value = response.Header("retry-after");
  if (!value.has_value()) return std::nullopt;
  const std::optional<std::string_view> date = response.Header("date");
  return ParseRetryAfter(*value, date.has_value() ? ParseHttpDate(*date).value_or(now) : now);
}

}  // namespace kiln::exporters
