// SPDX-License-Identifier: Apache-2.0
#include "exporters/grpc_message.h"

#include <gmock/gmock.h>

#include "base/gzip.h"

namespace kiln::exporters {
namespace {

using ::testing::HasSubstr;

TEST(FrameGrpcMessage, PrefixesFlagAndLength) {
  EXPECT_EQ(*FrameGrpcMessage(Compression::kNone, "abc"), std::string("\0\0\0\0\3abc", 8));
  EXPECT_EQ(*FrameGrpcMessage(Compression::kNone, ""), std::string(5, '\0'));
  const std::string large = *FrameGrpcMessage(Compression::kNone, std::string(0x123456, 'x'));
  EXPECT_EQ(large.substr(0, 5), std::string("\0\0\x12\x34\x56", 5));
  const std::string packed = *FrameGrpcMessage(Compression::kGzip, "abc");
  EXPECT_EQ(packed[0], '\1');
  EXPECT_EQ(packed.size(), 5u + static_cast<uint8_t>(packed[4]));
  EXPECT_EQ(*GzipDecompress(packed.substr(5), 100), "abc");
}

TEST(UnframeGrpcMessage, TakesExactlyOneMessage) {
  EXPECT_EQ(*UnframeGrpcMessage({.body = std::string("\0\0\0\0\3abc", 8)}), "abc");
  EXPECT_EQ(*UnframeGrpcMessage({.body = std::string(5, '\0')}), "");
  const std::pair<std::string, const char*> bad[] = {
      {"", "no message"},
      {std::string(4, '\0'), "cut short"},
      {std::string("\0\0\0\0\3ab", 7), "cut short"},
      {std::string("\0\xff\xff\xff\xff", 5), "cut short"},
      {std::string("\0\0\0\0\1ab", 7), "more than one"},
      {std::string("\1\0\0\0\1a", 6), "not known"},
      {std::string("<html>"), "not that of gRPC"},
  };
  for (const auto& [body, says] : bad)
    EXPECT_THAT(Message(UnframeGrpcMessage({.body = body}).status()), HasSubstr(says)) << body;
}

TEST(UnframeGrpcMessage, UnpacksWhatServersCompressUnasked) {
  for (const Compression compression : {Compression::kGzip, Compression::kZstd}) {
    const HttpHeaders headers = {{"grpc-encoding", compression == Compression::kGzip ? "gzip" : "zstd"}};
    for (const std::string& text : {std::string(), std::string("abc"), std::string(100'000, 'x')}) {
      const std::string frame = *FrameGrpcMessage(compression, text);
      EXPECT_EQ(*UnframeGrpcMessage({.headers = headers, .body = frame}), text);
    }
    std::string damaged = *FrameGrpcMessage(compression, "abc");
    damaged[8] ^= 0x55;
    EXPECT_FALSE(UnframeGrpcMessage({.headers = headers, .body = damaged}).ok());
    const std::string bomb = *FrameGrpcMessage(compression, std::string(5 << 20, 'x'));
    EXPECT_THAT(Message(UnframeGrpcMessage({.headers = headers, .body = bomb}).status()),
                HasSubstr("more than 4194304"));
  }
}

TEST(GrpcStatusOf, ReadsTrailersOrHeaders) {
  const HttpResponse trailers{.status = 200, .trailers = {{"grpc-status", "14"}, {"grpc-message", "a%20b"}}};
  EXPECT_EQ(GrpcStatusOf(trailers).code, GrpcCode::kUnavailable);
  EXPECT_EQ(GrpcStatusOf(trailers).message, "a b");
  const HttpResponse only{.status = 200, .headers = {{"grpc-status", "0"}}};
  EXPECT_EQ(GrpcStatusOf(only).code, GrpcCode::kOk);
  for (const char* odd : {"", "x", "99", "-1", "99999999999999999999"})
    EXPECT_EQ(GrpcStatusOf({.status = 200, .headers = {{"grpc-status", odd}}}).code, GrpcCode::kUnknown) << odd;
}

TEST(GrpcStatusOf, TakesRetryInfoFromTheDetails) {
  // code 8, message "no", RetryInfo of 7 s; see rpc_status_test.cc.
  const HttpResponse response{
      .status = 200,
      .trailers = {
          {"grpc-status", "8"},
          {"grpc-status-details-bin", "CAgSAm5vGjAKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SBAoCCAc"}}};
  const RpcStatus status = GrpcStatusOf(response);
  EXPECT_EQ(status.code, GrpcCode::kResourceExhausted);
  EXPECT_EQ(status.message, "no");
  EXPECT_EQ(status.retry_delay, absl::Seconds(7));
}

TEST(GrpcStatusOf, JudgesForeignAnswersByHttp) {
  const RpcStatus proxy =
      GrpcStatusOf({.status = 502, .headers = {{"content-type", "text/html"}}, .body = "<h1>Bad\x1b Gateway</h1>"});
  EXPECT_EQ(proxy.code, GrpcCode::kUnavailable);
  EXPECT_EQ(proxy.message, "HTTP 502 without grpc-status, text/html: <h1>Bad? Gateway</h1>");
  EXPECT_EQ(GrpcStatusOf({.status = 404}).code, GrpcCode::kUnimplemented);
  EXPECT_EQ(GrpcStatusOf({.status = 200}).code, GrpcCode::kUnknown);
}

TEST(GrpcTimeout, FitsEightDigits) {
  EXPECT_EQ(GrpcTimeout(absl::Seconds(5)), "5000m");
  EXPECT_EQ(GrpcTimeout(absl::Microseconds(1500)), "2m");
  EXPECT_EQ(GrpcTimeout(absl::ZeroDuration()), "1m");
  EXPECT_EQ(GrpcTimeout(absl::Hours(24)), "86400000m");
  EXPECT_EQ(GrpcTimeout(absl::Hours(48)), "172800S");
  EXPECT_EQ(GrpcTimeout(absl::Hours(24 * 365 * 10)), "5256000M");
  EXPECT_EQ(GrpcTimeout(absl::Hours(int64_t{1} << 40)), "99999999H");
  EXPECT_EQ(GrpcTimeout(absl::InfiniteDuration()), "");
}

}  // namespace
}  // namespace kiln::exporters
