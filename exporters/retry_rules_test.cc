// SPDX-License-Identifier: Apache-2.0
#include "exporters/retry_rules.h"

#include <gtest/gtest.h>

namespace kiln::exporters {
namespace {

using Outcome = pipeline::ExportResult::Outcome;

TEST(ResultOfGrpcStatus, FollowsTheSpecification) {
  const std::pair<GrpcCode, Outcome> table[] = {
      {GrpcCode::kOk, Outcome::kDelivered},
      {GrpcCode::kCancelled, Outcome::kRetryable},
      {GrpcCode::kUnknown, Outcome::kPermanent},
      {GrpcCode::kInvalidArgument, Outcome::kPermanent},
      {GrpcCode::kDeadlineExceeded, Outcome::kRetryable},
      {GrpcCode::kNotFound, Outcome::kPermanent},
      {GrpcCode::kAlreadyExists, Outcome::kPermanent},
      {GrpcCode::kPermissionDenied, Outcome::kPermanent},
      {GrpcCode::kResourceExhausted, Outcome::kPermanent},
      {GrpcCode::kFailedPrecondition, Outcome::kPermanent},
      {GrpcCode::kAborted, Outcome::kRetryable},
      {GrpcCode::kOutOfRange, Outcome::kRetryable},
      {GrpcCode::kUnimplemented, Outcome::kPermanent},
      {GrpcCode::kInternal, Outcome::kPermanent},
      {GrpcCode::kUnavailable, Outcome::kRetryable},
      {GrpcCode::kDataLoss, Outcome::kRetryable},
      {GrpcCode::kUnauthenticated, Outcome::kPermanent},
  };
  for (const auto& [code, outcome] : table) {
    EXPECT_EQ(ResultOfGrpcStatus({.code = code}).outcome, outcome) << GrpcCodeName(code);
    EXPECT_EQ(ResultOfGrpcStatus({.code = code}).retry_after, std::nullopt);
  }
}

TEST(ResultOfGrpcStatus, HonoursRetryInfo) {
  const auto exhausted = ResultOfGrpcStatus({.code = GrpcCode::kResourceExhausted, .retry_delay = absl::Seconds(3)});
  EXPECT_EQ(exhausted.outcome, Outcome::kRetryable);
  EXPECT_EQ(exhausted.retry_after, absl::Seconds(3));
  // Without a delay of its own: retryable by our back-off.
  const auto at_once = ResultOfGrpcStatus({.code = GrpcCode::kResourceExhausted, .retry_delay = absl::ZeroDuration()});
  EXPECT_EQ(at_once.outcome, Outcome::kRetryable);
  EXPECT_EQ(at_once.retry_after, std::nullopt);
  EXPECT_EQ(ResultOfGrpcStatus({.code = GrpcCode::kUnavailable, .retry_delay = absl::Seconds(9)}).retry_after,
            absl::Seconds(9));
  const auto invalid = ResultOfGrpcStatus({.code = GrpcCode::kInvalidArgument, .retry_delay = absl::Seconds(9)});
  EXPECT_EQ(invalid.outcome, Outcome::kPermanent);
  EXPECT_EQ(invalid.retry_after, std::nullopt);
}

TEST(ResultOfGrpcStatus, KnowsHowServersRefuseLargeMessages) {
  const std::pair<GrpcCode, const char*> answers[] = {
      {GrpcCode::kResourceExhausted, "grpc: received message larger than max (5242880 vs. 4194304)"},
      {GrpcCode::kResourceExhausted, "grpc: received message after decompression larger than max 4194304"},
      {GrpcCode::kResourceExhausted, "SERVER: Received message larger than max (5242880 vs. 4194304)"},
      {GrpcCode::kResourceExhausted, "gRPC message exceeds maximum size 4194304: 5242880"},
      {GrpcCode::kResourceExhausted, "Decompressed gRPC message exceeds maximum size 4194304"},
      {GrpcCode::kResourceExhausted, "Received message exceeds the maximum configured message size."},
      {GrpcCode::kResourceExhausted, "message size 5242880 is larger than configured max 4194304"},
      {GrpcCode::kOutOfRange,
       "Error, decoded message length too large: found 5242880 bytes, the limit is: 4194304 bytes"},
      {GrpcCode::kUnknown, "HTTP 413 without grpc-status, text/html: <h1>413 Request Entity Too Large</h1>"},
      {GrpcCode::kUnknown, "Payload Too Large"},
  };
  for (const auto& [code, message] : answers)
    EXPECT_EQ(ResultOfGrpcStatus({.code = code, .message = message}).outcome, Outcome::kTooLarge) << message;
  EXPECT_EQ(
      ResultOfGrpcStatus({.code = GrpcCode::kResourceExhausted, .message = "rate limit: more than 5 MB/s"}).outcome,
      Outcome::kPermanent);
  EXPECT_EQ(ResultOfGrpcStatus({.code = GrpcCode::kInvalidArgument, .message = "label larger than max"}).outcome,
            Outcome::kPermanent);
}

TEST(ResultOfGrpcStatus, ShowsTheServersWordsHarmlessly) {
  const auto result =
      ResultOfGrpcStatus({.code = GrpcCode::kInternal, .message = "bad\n\x1b[2J" + std::string(9999, 'x')});
  EXPECT_EQ(result.message.substr(0, 26), "gRPC INTERNAL: bad ?[2Jxxx");
  EXPECT_LT(result.message.size(), 600u);
  EXPECT_EQ(ResultOfGrpcStatus({.code = GrpcCode::kAborted}).message, "gRPC ABORTED");
}

TEST(OutcomeOfHttpStatus, FollowsTheSpecification) {
  for (const int status : {200, 202, 204}) EXPECT_EQ(OutcomeOfHttpStatus(status), Outcome::kDelivered) << status;
  for (const int status : {429, 502, 503, 504}) EXPECT_EQ(OutcomeOfHttpStatus(status), Outcome::kRetryable) << status;
  for (const int status : {0, 301, 307, 400, 401, 403, 404, 408, 415, 500, 501, 505, 599})
    EXPECT_EQ(OutcomeOfHttpStatus(status), Outcome::kPermanent) << status;
  EXPECT_EQ(OutcomeOfHttpStatus(413), Outcome::kTooLarge);
}

TEST(ResultOfFailure, GivesUpOnlyWhereNothingCanChange) {
  for (const auto code :
       {absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kCancelled,
        absl::StatusCode::kUnauthenticated, absl::StatusCode::kInternal}) {
    const auto result = ResultOfFailure(Status(code, "why"));
    EXPECT_EQ(result.outcome, Outcome::kRetryable);
    EXPECT_EQ(result.message, "why");
  }
  for (const auto code : {absl::StatusCode::kInvalidArgument, absl::StatusCode::kResourceExhausted})
    EXPECT_EQ(ResultOfFailure(Status(code, "why")).outcome, Outcome::kPermanent);
}

}  // namespace
}  // namespace kiln::exporters
