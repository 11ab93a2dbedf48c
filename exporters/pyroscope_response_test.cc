// SPDX-License-Identifier: Apache-2.0
#include "exporters/pyroscope_response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "profile/utf8.h"

namespace kiln::exporters {
namespace {

using pipeline::ExportResult;
using Outcome = pipeline::ExportResult::Outcome;
using ::testing::HasSubstr;

constexpr int64_t kNow = 1'700'000'000'000'000'000;  // Tue, 14 Nov 2023 22:13:20 GMT

ExportResult Result(int status, const std::string& body, const HttpHeaders& headers = {}) {
  return PushResult({.status = status, .headers = headers, .body = body}, kNow);
}

TEST(PyroscopeResponse, TellsWhatBecomesOfThePush) {
  struct Case {
    int status;
    std::string body;
    Outcome outcome;
  };
  const Case cases[] = {
      {400, R"j({"code":"invalid_argument","message":"invalid labels"})j", Outcome::kPermanent},
      {400,
       R"j({"code":"invalid_argument","message":"the profile with labels '{}' exceeds the size limit (max_profile_size_byte, actual: 5, limit: 4)"})j",
       Outcome::kTooLarge},
      {400, R"j({"code":"invalid_argument","message":"… (max_profile_stacktrace_samples, actual: 5, limit: 4)"})j",
       Outcome::kTooLarge},
      {401, R"j({"code":"unauthenticated","message":"no org id"})j", Outcome::kPermanent},
      {403, "forbidden", Outcome::kPermanent},
      {404, "404 page not found", Outcome::kPermanent},
      {408, R"j({"code":"deadline_exceeded"})j", Outcome::kRetryable},
      {413, "<html>413 Request Entity Too Large</html>", Outcome::kTooLarge},
      {415, "", Outcome::kPermanent},
      {422, "", Outcome::kPermanent},
      {429, R"j({"code":"resource_exhausted","message":"push rate limit (4.0 MiB) exceeded"})j", Outcome::kRetryable},
      {429, R"j({"code":"resource_exhausted","message":"message size 9 is larger than configured max 4"})j",
       Outcome::kTooLarge},
      {500, R"j({"code":"internal","message":"storage"})j", Outcome::kRetryable},
      {500, R"j({"code":"unknown","message":"?"})j", Outcome::kRetryable},
      {501, R"j({"code":"unimplemented"})j", Outcome::kPermanent},
      {502, "bad gateway", Outcome::kRetryable},
      {503, R"j({"code":"unavailable"})j", Outcome::kRetryable},
      {504, "", Outcome::kRetryable},
      {302, "", Outcome::kPermanent},
  };
  for (const Case& c : cases) {
    const ExportResult result = Result(c.status, c.body);
    EXPECT_EQ(result.outcome, c.outcome) << c.status << " " << c.body << " " << result.message;
    EXPECT_THAT(result.message, HasSubstr(std::to_string(c.status)));
    EXPECT_EQ(result.retry_after, std::nullopt);
  }
}

TEST(PyroscopeResponse, MessagesTellWhatToDo) {
  EXPECT_EQ(Result(400, R"j({"code":"invalid_argument","message":"bad label"})j").message,
            "the server answered 400 (invalid_argument): bad label");
  EXPECT_THAT(Result(401, "no org id").message, HasSubstr("tenant_id"));
  EXPECT_THAT(Result(404, "").message, HasSubstr("base URL of a Pyroscope server"));
  EXPECT_THAT(Result(400, R"j({"message":"profile with labels '{}' is outside of ingestion window"})j").message,
              HasSubstr("older than one hour"));
}

TEST(PyroscopeResponse, DeliveredOnlyIfPyroscopeAnswered) {
  EXPECT_EQ(Result(200, "", {{"content-type", "application/proto"}}).outcome, Outcome::kDelivered);
  EXPECT_EQ(Result(200, "").outcome, Outcome::kDelivered);
  const ExportResult proxy = Result(200, "<html>log in</html>", {{"content-type", "text/html"}});
  EXPECT_EQ(proxy.outcome, Outcome::kPermanent);
  EXPECT_THAT(proxy.message, HasSubstr("text/html"));
}

TEST(PyroscopeResponse, WaitsAsLongAsTheServerSays) {
  EXPECT_EQ(Result(429, "", {{"retry-after", "7"}}).retry_after, absl::Seconds(7));
  EXPECT_EQ(Result(503, "", {{"retry-after", "Tue, 14 Nov 2023 22:13:50 GMT"}}).retry_after, absl::Seconds(30));
  EXPECT_EQ(Result(503, "", {{"retry-after", "Tue, 14 Nov 2023 22:13:10 GMT"}}).retry_after, absl::ZeroDuration());
  EXPECT_EQ(Result(503, "", {{"retry-after", "soon"}}).retry_after, std::nullopt);
  EXPECT_EQ(Result(503, "", {{"retry-after", "-5"}}).retry_after, absl::ZeroDuration());
  EXPECT_EQ(Result(503, "", {{"retry-after", "999999999999"}}).retry_after, absl::Hours(1));
}

TEST(PyroscopeResponse, FailuresWithoutAnAnswerAreRetriedUnlessTheSettingsAreWrong) {
  EXPECT_EQ(PushFailure(absl::UnavailableError("refused")).outcome, Outcome::kRetryable);
  EXPECT_EQ(PushFailure(absl::UnauthenticatedError("certificate")).outcome, Outcome::kRetryable);
  EXPECT_EQ(PushFailure(absl::CancelledError("")).outcome, Outcome::kRetryable);
  EXPECT_EQ(PushFailure(absl::InvalidArgumentError("no URL")).outcome, Outcome::kPermanent);
  EXPECT_EQ(PushFailure(absl::InvalidArgumentError("no URL")).message, "no URL");
}

TEST(PyroscopeResponse, ErrorBodiesOfAnyKindBecomeHarmlessMessages) {
  const std::string bodies[] = {"",
                                std::string(1'000'000, '['),
                                "[1,2]",
                                R"j({"code":5,"message":{"a":1}})j",
                                std::string("\x1b[31mred\n\xff\0end", 14),
                                std::string(600, 'x') + "é",
                                R"j({"code":"a\nb","message":"\u001b[0m"})j"};
  for (const std::string& body : bodies) {
    const ConnectError error = ParseConnectError(body);
    for (const std::string& text : {error.code, error.message}) {
      EXPECT_LE(text.size(), 510u);
      EXPECT_TRUE(profile::IsValidUtf8(text));
      for (const char c : text) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
    }
  }
  EXPECT_EQ(ParseConnectError("plain text\n").message, "plain text");
}

}  // namespace
}  // namespace kiln::exporters
