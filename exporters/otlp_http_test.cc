// SPDX-License-Identifier: Apache-2.0
#include "exporters/otlp_http.h"

#include <gmock/gmock.h>
#include <zstd.h>

#include "base/gzip.h"
#include "exporters/scripted_transport.h"

namespace kiln::exporters {
namespace {

using pipeline::Batch;
using pipeline::ExportResult;
using pipeline::Signal;
using ::testing::HasSubstr;
using Outcome = ExportResult::Outcome;

const std::string kPartial(
    "\x0a\x07\x08\x03\x12\x03"
    "bad",
    9);

class OtlpHttp : public ::testing::Test {
 protected:
  void Start(OtlpHttpSettings settings) {
    auto exporter = MakeOtlpHttpExporter(settings, std::make_unique<ScriptedTransport>(script_));
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    exporter_ = *std::move(exporter);
  }
  void SetUp() override { Start({.client = {.endpoint = "http://collector:4318"}}); }

  ExportResult Export(StatusOr<HttpResponse> answer, Signal signal = Signal::kTraces) {
    script_.answer = std::move(answer);
    return exporter_->Export({.signal = signal, .bytes = "data", .items = 10}, absl::Seconds(60));
  }
  std::string UrlOf(Signal signal) {
    Export(HttpResponse{.status = 200}, signal);
    return script_.request.url;
  }

  TransportScript script_;
  std::unique_ptr<pipeline::Exporter> exporter_;
};

TEST_F(OtlpHttp, PostsToThePathOfTheSignal) {
  EXPECT_EQ(UrlOf(Signal::kTraces), "http://collector:4318/v1/traces");
  EXPECT_EQ(UrlOf(Signal::kMetrics), "http://collector:4318/v1/metrics");
  EXPECT_EQ(UrlOf(Signal::kLogs), "http://collector:4318/v1/logs");
  EXPECT_EQ(UrlOf(Signal::kProfiles), "http://collector:4318/v1development/profiles");
  EXPECT_EQ(script_.request.method, "POST");
  EXPECT_FALSE(script_.request.http2_only);
  EXPECT_EQ(script_.request.timeout, absl::Seconds(30));
  EXPECT_EQ(script_.Header("content-type"), "application/x-protobuf");
  EXPECT_EQ(script_.Header("content-encoding"), "gzip");
  EXPECT_EQ(*GzipDecompress(script_.body, 100), "data");
}

TEST_F(OtlpHttp, TakesEndpointsOfSignalsAsTheyAre) {
  Start({.client = {.endpoint = "https://base/otlp/"}, .logs_endpoint = "http://logs:1/in?tenant=a"});
  EXPECT_EQ(UrlOf(Signal::kTraces), "https://base/otlp/v1/traces");
  EXPECT_EQ(UrlOf(Signal::kLogs), "http://logs:1/in?tenant=a");
  Start({.client = {.compression = Compression::kNone}, .profiles_endpoint = "http://p/x"});
  EXPECT_EQ(UrlOf(Signal::kProfiles), "http://p/x");
  EXPECT_EQ(script_.body, "data");
  EXPECT_EQ(script_.Header("content-encoding"), "");
  script_.sent = 0;
  const ExportResult result = Export(HttpResponse{.status = 200}, Signal::kTraces);
  EXPECT_EQ(result.outcome, Outcome::kPermanent);
  EXPECT_THAT(result.message, HasSubstr("traces_endpoint"));
  EXPECT_EQ(script_.sent, 0);
}

TEST_F(OtlpHttp, CompressesWithZstd) {
  Start({.client = {.endpoint = "http://h:1", .compression = Compression::kZstd}});
  Export(HttpResponse{.status = 200});
  EXPECT_EQ(script_.Header("content-encoding"), "zstd");
  std::string out(100, '\0');
  out.resize(ZSTD_decompress(out.data(), out.size(), script_.body.data(), script_.body.size()));
  EXPECT_EQ(out, "data");
}

TEST_F(OtlpHttp, JudgesAnswersByTheSpecification) {
  struct Case {
    StatusOr<HttpResponse> answer;
    Outcome outcome;
    int64_t rejected;
    std::optional<absl::Duration> retry_after;
    const char* says;
  };
  const HttpHeaders protobuf = {{"content-type", "application/x-protobuf"}},
                    json = {{"content-type", "application/json; charset=utf-8"}};
  const std::string retry_in_7s(
      "\x08\x0e\x12\x04"
      "busy\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x07",
      58);
  const Case cases[] = {
      {HttpResponse{.status = 200, .headers = protobuf}, Outcome::kDelivered, 0, {}, ""},
      {HttpResponse{.status = 200, .headers = protobuf, .body = kPartial}, Outcome::kDelivered, 3, {}, "3 spans: bad"},
      {HttpResponse{
           .status = 200, .headers = json, .body = R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"x"}})"},
       Outcome::kDelivered,
       2,
       {},
       "2 spans: x"},
      {HttpResponse{.status = 202, .headers = {{"content-type", "text/plain"}}, .body = "accepted"},
       Outcome::kDelivered,
       0,
       {},
       ""},
      {HttpResponse{.status = 200, .headers = protobuf, .body = "\x0a\x7f"},
       Outcome::kDelivered,
       0,
       {},
       "not that of OTLP"},
      {HttpResponse{.status = 400, .body = "bad\r\n\x1b[2Jdata"}, Outcome::kPermanent, 0, {}, "HTTP 400: bad ?[2Jdata"},
      {HttpResponse{.status = 400, .headers = protobuf, .body = "\x08\x03\x12\x05wrong"},
       Outcome::kPermanent,
       0,
       {},
       "HTTP 400: wrong"},
      {HttpResponse{.status = 400, .body = "http: request body too large"}, Outcome::kTooLarge, 0, {}, "too large"},
      {HttpResponse{.status = 401}, Outcome::kPermanent, 0, {}, "HTTP 401"},
      {HttpResponse{.status = 307}, Outcome::kPermanent, 0, {}, "redirects are not followed"},
      {HttpResponse{.status = 413}, Outcome::kTooLarge, 0, {}, "HTTP 413"},
      // Pyroscope: rate limit, and data that it can't convert.
      {HttpResponse{.status = 429, .body = "rate limit"}, Outcome::kRetryable, 0, {}, "HTTP 429: rate limit"},
      {HttpResponse{.status = 500, .body = "failed to convert"},
       Outcome::kPermanent,
       0,
       {},
       "HTTP 500: failed to convert"},
      {HttpResponse{.status = 429, .headers = {{"retry-after", "120"}}}, Outcome::kRetryable, 0, absl::Seconds(120),
       ""},
      {HttpResponse{.status = 502}, Outcome::kRetryable, 0, {}, "HTTP 502"},
      {HttpResponse{
           .status = 503,
           .headers = {{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}, {"date", "Sun, 06 Nov 1994 08:49:07 GMT"}}},
       Outcome::kRetryable, 0, absl::Seconds(30), ""},
      {HttpResponse{.status = 503, .headers = {{"retry-after", "soon"}}}, Outcome::kRetryable, 0, {}, ""},
      {HttpResponse{.status = 503, .headers = protobuf, .body = retry_in_7s}, Outcome::kRetryable, 0, absl::Seconds(7),
       "busy"},
      {HttpResponse{.status = 504}, Outcome::kRetryable, 0, {}, ""},
      {HttpResponse{.status = 400, .headers = {{"retry-after", "5"}}}, Outcome::kPermanent, 0, {}, ""},
      {absl::UnavailableError("no route"), Outcome::kRetryable, 0, {}, "no route"},
      {absl::ResourceExhaustedError("answer too large"), Outcome::kPermanent, 0, {}, "answer too large"},
  };
  int number = 0;
  for (const Case& c : cases) {
    const ExportResult result = Export(c.answer);
    EXPECT_EQ(result.outcome, c.outcome) << number << " " << result.message;
    EXPECT_EQ(result.rejected_items, c.rejected) << number;
    EXPECT_EQ(result.retry_after, c.retry_after) << number;
    EXPECT_THAT(result.message, HasSubstr(c.says)) << number;
    number++;
  }
}

TEST_F(OtlpHttp, CutsLongAnswers) {
  EXPECT_LT(Export(HttpResponse{.status = 400, .body = std::string(1 << 20, 'x')}).message.size(), 600u);
}

TEST_F(OtlpHttp, PassesCancelOn) {
  exporter_->Cancel();
  EXPECT_TRUE(script_.cancelled);
}

TEST(MakeOtlpHttpExporter, RefusesSettingsThatCanNotBe) {
  const auto error = [](const OtlpHttpSettings& settings) {
    return std::string(MakeOtlpHttpExporter(settings).status().message());
  };
  EXPECT_THAT(error({}), HasSubstr("needs an endpoint"));
  EXPECT_THAT(error({.client = {.endpoint = "http://h/?x"}}), HasSubstr("query"));
  EXPECT_THAT(error({.metrics_endpoint = "unix:///x"}), HasSubstr("metrics_endpoint: "));
  EXPECT_EQ(error({.client = {.endpoint = "http://h"}}), "");
}

}  // namespace
}  // namespace kiln::exporters
