// SPDX-License-Identifier: Apache-2.0
// google.rpc.Status and gRPC's status codes, as servers send them.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kiln::exporters {

// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
enum class GrpcCode : int32_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};
// "UNAVAILABLE" …
std::string_view GrpcCodeName(GrpcCode code);
// Codes that do not exist are UNKNOWN.
GrpcCode GrpcCodeFromNumber(int64_t number);
// For an answer without grpc-status: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
GrpcCode GrpcCodeFromHttp(int http_status);

struct RpcStatus {
  GrpcCode code = GrpcCode::kUnknown;
  std::string message;                        // as sent, any bytes
  std::optional<absl::Duration> retry_delay;  // of a RetryInfo; 0 … kMaxRetryAfter
};

// The protobuf; nullopt if it is none. Types of details that we don't know are skipped.
std::optional<RpcStatus> ParseRpcStatus(std::string_view bytes);

// The value of grpc-status-details-bin: the protobuf in base64, with or without padding, in either alphabet.
std::optional<RpcStatus> ParseGrpcStatusDetails(std::string_view header);

// The value of grpc-message: percent-encoded. What is no valid escape stays as it is, as gRPC's specification wants.
std::string DecodeGrpcMessage(std::string_view header);

}  // namespace kiln::exporters
