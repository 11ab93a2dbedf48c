// SPDX-License-Identifier: Apache-2.0
#include "exporters/rpc_status.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>

#include <algorithm>

#include "exporters/retry_after.h"
#include "otlp/rpc_status.pb.h"

namespace kiln::exporters {
namespace {

constexpr std::string_view kNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

// The prefix before the slash may be any.
bool IsType(const rpc::Any& any, std::string_view name) {
  const std::string_view url = any.type_url();
  return url.substr(url.rfind('/') + 1) == name;
}

std::optional<absl::Duration> RetryDelay(const rpc::Status& status) {
  for (const rpc::Any& detail : status.details()) {
    rpc::RetryInfo info;
    if (!IsType(detail, "google.rpc.RetryInfo") || !info.ParseFromString(detail.value())) continue;
    const absl::Duration delay =
        absl::Seconds(info.retry_delay().seconds()) + absl::Nanoseconds(info.retry_delay().nanos());
    return std::clamp(delay, absl::ZeroDuration(), kMaxRetryAfter);
  }
  return std::nullopt;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::string_view GrpcCodeName(GrpcCode code) { return kNames[static_cast<size_t>(code)]; }

GrpcCode GrpcCodeFromNumber(int64_t number) {
  return number >= 0 && number < static_cast<int64_t>(std::size(kNames)) ? static_cast<GrpcCode>(number)
                                                                         : GrpcCode::kUnknown;
}

GrpcCode GrpcCodeFromHttp(int http_status) {
  switch (http_status) {
    case 400: return GrpcCode::kInternal;
    case 401: return GrpcCode::kUnauthenticated;
    case 403: return GrpcCode::kPermissionDenied;
    case 404: return GrpcCode::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504: return GrpcCode::kUnavailable;
    default: return GrpcCode::kUnknown;
  }
}

std::optional<RpcStatus> ParseRpcStatus(std::string_view bytes) {
  rpc::Status status;
  if (!status.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  return RpcStatus{
      .code = GrpcCodeFromNumber(status.code()), .message = status.message(), .retry_delay = RetryDelay(status)};
}

std::optional<RpcStatus> ParseGrpcStatusDetails(std::string_view header) {
  std::string text(header);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.ends_with('=')) text.pop_back();
  text.append((4 - text.size() % 4) % 4, '=');
  std::string bytes;
  if (text.empty() || !absl::Base64Unescape(text, &bytes)) return std::nullopt;
  return ParseRpcStatus(bytes);
}

std::string DecodeGrpcMessage(std::string_view header) {
  std::string out;
  for (size_t i = 0; i < header.size(); i++) {
    const int high = header[i] == '%' && i + 2 < header.size() ? HexValue(header[i + 1]) : -1;
    const int low = high >= 0 ? HexValue(header[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      out += header[i];
    }
  }
  return out;
}

}  // namespace kiln::exporters
