// SPDX-License-Identifier: Apache-2.0
#include "exporters/pyroscope_response.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "profile/utf8.h"

namespace kiln::exporters {
namespace {

using pipeline::ExportResult;
using Outcome = pipeline::ExportResult::Outcome;

constexpr size_t kMaxErrorBody = size_t{64} << 10;
constexpr size_t kMaxMessage = 500;
constexpr absl::Duration kMaxRetryAfter = absl::Hours(1);  // whoever asks for more is mistaken

std::string OneLine(std::string_view text) {
  std::string out = profile::ToValidUtf8(text.substr(0, 4 * kMaxMessage));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (out.size() > kMaxMessage) {
    size_t end = kMaxMessage;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
    out.resize(end);
    out += "…";
  }
  const size_t first = out.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return out.substr(first, out.find_last_not_of(' ') - first + 1);
}

std::string_view Header(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// Seconds or an HTTP date (RFC 9110 section 10.2.3).
std::optional<absl::Duration> RetryAfter(const HttpResponse& response, int64_t now_unix_nano) {
  const std::string_view header = Header(response, "retry-after");
  int64_t seconds = 0;
  absl::Duration wait;
  if (absl::SimpleAtoi(View(header), &seconds)) {
    wait = absl::Seconds(seconds);
  } else {
    absl::Time date;
    if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", View(header), &date, nullptr)) return std::nullopt;
    wait = date - absl::FromUnixNanos(now_unix_nano);
  }
  return std::clamp(wait, absl::ZeroDuration(), kMaxRetryAfter);
}

// Pyroscope's limits of a profile come as 400, those of the Connect library as 429; smaller pieces are the cure for
// both. The parts of the texts are stable: names of settings, and the library's wording.
bool TellsOfSize(std::string_view message) {
  constexpr absl::string_view kSigns[] = {"max_profile_size_byte", "max_profile_stacktrace_samples",
                                          "larger than configured max", "MaxBytesReader", "body size limit"};
  return std::ranges::any_of(kSigns, [&](absl::string_view sign) { return absl::StrContains(View(message), sign); });
}

std::string_view Advice(int status, std::string_view message) {
  switch (status) {
    case 401: return "; does the server want a tenant (tenant_id), or credentials (auth)?";
    case 403: return "; the credentials are known but may not push: check tenant_id and auth";
    case 404:
    case 405:
    case 501: return "; is the endpoint the base URL of a Pyroscope server?";
    default: break;
  }
  if (absl::StrContains(View(message), "ingestion window")) {
    return "; Pyroscope takes no profiles older than one hour (validation.reject-older-than): what waited longer in a "
           "queue is lost";
  }
  if (status >= 300 && status < 400) return "; redirects are not followed: set the endpoint to where they lead";
  return "";
}

}  // namespace

ConnectError ParseConnectError(std::string_view body) {
  ConnectError error;
  const std::string_view head = body.substr(0, kMaxErrorBody);
  const auto document = nlohmann::json::parse(head.begin(), head.end(), nullptr, /*allow_exceptions=*/false);
  const auto text = [&](const char* key) -> std::string {
    const auto found = document.find(key);
    return found != document.end() && found->is_string() ? OneLine(found->get_ref<const std::string&>()) : "";
  };
  if (document.is_object()) {
    error.code = text("code");
    error.message = text("message");
    if (!error.code.empty() || !error.message.empty()) return error;
  }
  error.message = OneLine(head);
  return error;
}

ExportResult PushResult(const HttpResponse& response, int64_t now_unix_nano) {
  ExportResult result;
  if (response.status == 200) {
    const std::string_view type = Header(response, "content-type");
    if (absl::StartsWithIgnoreCase(View(type), "application/proto") || (type.empty() && response.body.empty())) {
      return result;
    }
    result.outcome = Outcome::kPermanent;
    result.message = fmt::format(
        "the server answered 200 with content type \"{}\" where Pyroscope sends application/proto; is the endpoint the "
        "base URL of a Pyroscope server?",
        OneLine(type));
    return result;
  }
  const ConnectError error = ParseConnectError(response.body);
  result.message = fmt::format("the server answered {}", response.status);
  if (!error.code.empty()) result.message += fmt::format(" ({})", error.code);
  if (!error.message.empty()) result.message += ": " + error.message;
  result.message += Advice(response.status, error.message);
  const int status = response.status;
  if (status == 413 || ((status == 400 || status == 429) && TellsOfSize(error.message))) {
    result.outcome = Outcome::kTooLarge;
  } else if (status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505)) {
    result.outcome = Outcome::kRetryable;
    result.retry_after = RetryAfter(response, now_unix_nano);
  } else {
    result.outcome = Outcome::kPermanent;
  }
  return result;
}

ExportResult PushFailure(const Status& status) {
  ExportResult result;
  result.outcome = status.code() == absl::StatusCode::kInvalidArgument ? Outcome::kPermanent : Outcome::kRetryable;
  result.message = std::string(Message(status));
  return result;
}

}  // namespace kiln::exporters
