// SPDX-License-Identifier: Apache-2.0
#include "exporters/rpc_status.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_replace.h>
#include <gtest/gtest.h>

#include "exporters/retry_after.h"
#include "otlp/rpc_status.pb.h"

namespace kiln::exporters {
namespace {

std::string StatusBytes(int code, const std::string& message, int64_t seconds, int32_t nanos = 0,
                        const std::string& type = "type.googleapis.com/google.rpc.RetryInfo") {
  rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  auto* other = status.add_details();
  other->set_type_url("type.googleapis.com/google.rpc.BadRequest");
  other->set_value("\xff\xff");
  rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(seconds);
  info.mutable_retry_delay()->set_nanos(nanos);
  auto* detail = status.add_details();
  detail->set_type_url(type);
  detail->set_value(info.SerializeAsString());
  return status.SerializeAsString();
}

TEST(ParseRpcStatus, ReadsCodeMessageAndRetryDelay) {
  const auto status = ParseRpcStatus(StatusBytes(14, "busy", 2, 500'000'000));
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, GrpcCode::kUnavailable);
  EXPECT_EQ(status->message, "busy");
  EXPECT_EQ(status->retry_delay, absl::Milliseconds(2500));
}

// Bytes written by hand from the tables, so that a mistake in our .proto shows.
TEST(ParseRpcStatus, ReadsTheWireFormatOfGoogle) {
  const std::string type = "type.googleapis.com/google.rpc.RetryInfo";
  const std::string info("\x0a\x02\x08\x07", 4);
  const std::string any = "\x0a" + std::string(1, static_cast<char>(type.size())) + type + "\x12\x04" + info;
  const std::string bytes = std::string("\x08\x08\x12\x02no\x1a") + static_cast<char>(any.size()) + any;
  const auto status = ParseRpcStatus(bytes);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, GrpcCode::kResourceExhausted);
  EXPECT_EQ(status->message, "no");
  EXPECT_EQ(status->retry_delay, absl::Seconds(7));
}

TEST(ParseRpcStatus, BoundsTheDelay) {
  EXPECT_EQ(ParseRpcStatus(StatusBytes(14, "", -5))->retry_delay, absl::ZeroDuration());
  EXPECT_EQ(ParseRpcStatus(StatusBytes(14, "", INT64_MAX, INT32_MAX))->retry_delay, kMaxRetryAfter);
  EXPECT_EQ(ParseRpcStatus(StatusBytes(14, "", INT64_MIN))->retry_delay, absl::ZeroDuration());
}

TEST(ParseRpcStatus, SkipsOtherDetails) {
  EXPECT_EQ(ParseRpcStatus(StatusBytes(14, "", 5, 0, "type.googleapis.com/other.RetryInfo"))->retry_delay,
            std::nullopt);
  EXPECT_TRUE(ParseRpcStatus(StatusBytes(14, "", 5, 0, "google.rpc.RetryInfo"))->retry_delay.has_value());
  EXPECT_EQ(ParseRpcStatus("")->code, GrpcCode::kOk);
  EXPECT_EQ(ParseRpcStatus(StatusBytes(99, "", 0))->code, GrpcCode::kUnknown);
}

TEST(ParseRpcStatus, RefusesWhatIsNoProtobuf) {
  EXPECT_EQ(ParseRpcStatus("<html>"), std::nullopt);
  EXPECT_EQ(ParseRpcStatus("\x12\x7f"), std::nullopt);
}

TEST(ParseGrpcStatusDetails, TakesBase64InAllForms) {
  const std::string padded = absl::Base64Escape(StatusBytes(8, "~~?>?", 3));
  const std::string other_alphabet = absl::StrReplaceAll(padded, {{"+", "-"}, {"/", "_"}});
  ASSERT_NE(padded, other_alphabet);
  EXPECT_EQ(ParseGrpcStatusDetails(padded)->retry_delay, absl::Seconds(3));
  EXPECT_EQ(ParseGrpcStatusDetails(other_alphabet)->retry_delay, absl::Seconds(3));
  for (int extra = 0; extra < 3; extra++) {  // all lengths modulo 3
    const std::string text = absl::Base64Escape(StatusBytes(8, std::string(extra, 'x'), 3));
    EXPECT_EQ(ParseGrpcStatusDetails(text)->retry_delay, absl::Seconds(3));
    EXPECT_EQ(ParseGrpcStatusDetails(text.substr(0, text.find('=')))->retry_delay, absl::Seconds(3));
  }
}

TEST(ParseGrpcStatusDetails, RefusesGarbage) {
  for (const char* text : {"", "=", "====", "a", "!!!!", "AAAA\x01"})
    EXPECT_EQ(ParseGrpcStatusDetails(text), std::nullopt) << text;
}

TEST(DecodeGrpcMessage, UndoesPercentEncoding) {
  EXPECT_EQ(DecodeGrpcMessage("a%20b%e2%82%ACc"), "a b€c");
  EXPECT_EQ(DecodeGrpcMessage("100%"), "100%");
  EXPECT_EQ(DecodeGrpcMessage("%4"), "%4");
  EXPECT_EQ(DecodeGrpcMessage("%zz%41"), "%zzA");
  EXPECT_EQ(DecodeGrpcMessage("%2541"), "%41");
  EXPECT_EQ(DecodeGrpcMessage(""), "");
}

TEST(GrpcCode, HasNamesAndNumbers) {
  EXPECT_EQ(GrpcCodeName(GrpcCodeFromNumber(0)), "OK");
  EXPECT_EQ(GrpcCodeName(GrpcCodeFromNumber(8)), "RESOURCE_EXHAUSTED");
  EXPECT_EQ(GrpcCodeName(GrpcCodeFromNumber(16)), "UNAUTHENTICATED");
  for (const int64_t number : {int64_t{-1}, int64_t{17}, INT64_MAX})
    EXPECT_EQ(GrpcCodeFromNumber(number), GrpcCode::kUnknown);
}

TEST(GrpcCodeFromHttp, FollowsTheTable) {
  const std::pair<int, GrpcCode> table[] = {
      {400, GrpcCode::kInternal},      {401, GrpcCode::kUnauthenticated}, {403, GrpcCode::kPermissionDenied},
      {404, GrpcCode::kUnimplemented}, {429, GrpcCode::kUnavailable},     {502, GrpcCode::kUnavailable},
      {503, GrpcCode::kUnavailable},   {504, GrpcCode::kUnavailable},     {200, GrpcCode::kUnknown},
      {413, GrpcCode::kUnknown},       {500, GrpcCode::kUnknown},         {302, GrpcCode::kUnknown}};
  for (const auto& [http, code] : table) EXPECT_EQ(GrpcCodeFromHttp(http), code) << http;
}

}  // namespace
}  // namespace kiln::exporters
