// SPDX-License-Identifier: Apache-2.0
#include "exporters/retry_rules.h"

#include <absl/strings/ascii.h>

#include "base/excerpt.h"

namespace kiln::exporters {
namespace {

using Outcome = pipeline::ExportResult::Outcome;

// Codes with which a message about size is believed. tonic sends OUT_OF_RANGE, Envoy's local answers become UNKNOWN.
bool MayBeAboutSize(GrpcCode code) {
  return code == GrpcCode::kResourceExhausted || code == GrpcCode::kOutOfRange || code == GrpcCode::kUnknown;
}

Outcome OutcomeOf(const RpcStatus& status) {
  if (MayBeAboutSize(status.code) && IsAboutSize(status.message)) return Outcome::kTooLarge;
  switch (status.code) {
    case GrpcCode::kOk: return Outcome::kDelivered;
    case GrpcCode::kCancelled:
    case GrpcCode::kDeadlineExceeded:
    case GrpcCode::kAborted:
    case GrpcCode::kOutOfRange:
    case GrpcCode::kUnavailable:
    case GrpcCode::kDataLoss: return Outcome::kRetryable;
    case GrpcCode::kResourceExhausted:
      return status.retry_delay.has_value() ? Outcome::kRetryable : Outcome::kPermanent;
    default: return Outcome::kPermanent;
  }
}

}  // namespace

pipeline::ExportResult ResultOfFailure(const Status& status) {
  const bool hopeless =
      status.code() == absl::StatusCode::kInvalidArgument || status.code() == absl::StatusCode::kResourceExhausted;
  return {.outcome = hopeless ? Outcome::kPermanent : Outcome::kRetryable, .message = std::string(Message(status))};
}

pipeline::ExportResult ResultOfGrpcStatus(const RpcStatus& status) {
  pipeline::ExportResult result{.outcome = OutcomeOf(status)};
  if (result.outcome == Outcome::kDelivered) return result;
  const std::string text = Excerpt(status.message, kMaxShownBytes);
  result.message = fmt::format("gRPC {}{}{}", GrpcCodeName(status.code), text.empty() ? "" : ": ", text);
  if (result.outcome == Outcome::kRetryable && status.retry_delay > absl::ZeroDuration())
    result.retry_after = status.retry_delay;
  return result;
}

Outcome OutcomeOfHttpStatus(int status) {
  if (status / 100 == 2) return Outcome::kDelivered;
  switch (status) {
    case 413: return Outcome::kTooLarge;
    case 429:
    case 502:
    case 503:
    case 504: return Outcome::kRetryable;
    default: return Outcome::kPermanent;
  }
}

bool IsAboutSize(std::string_view message) {
  const std::string text = absl::AsciiStrToLower({message.data(), message.size()});
  constexpr std::string_view kSigns[] = {
      "larger than max",                         // grpc-go, C core: "received message larger than max (5 vs. 4)"
      "larger than configured max",              // connect-go
      "message exceeds maximum size",            // grpc-java: "gRPC message exceeds maximum size 4: 5"
      "exceeds the maximum configured message",  // grpc-dotnet
      "message length too large",                // tonic
      "request body too large",                  // Go's http.MaxBytesReader
      "payload too large",                       // Envoy, HTTP/2 proxies
      "payload_too_large",                       // Envoy's response code details
      "entity too large",                        // nginx
  };
  for (const std::string_view sign : kSigns)
    if (text.find(sign) != std::string::npos) return true;
  return false;
}

}  // namespace kiln::exporters
