// SPDX-License-Identifier: Apache-2.0
#include "exporters/otlp_grpc.h"

#include <gmock/gmock.h>

#include "base/gzip.h"
#include "exporters/scripted_transport.h"

namespace kiln::exporters {
namespace {

using pipeline::Batch;
using pipeline::ExportResult;
using pipeline::Signal;
using ::testing::HasSubstr;
using Outcome = ExportResult::Outcome;

constexpr Signal kAllSignals[] = {Signal::kTraces, Signal::kMetrics, Signal::kLogs, Signal::kProfiles};

// An answer of gRPC with `message` in it.
HttpResponse Ok(const std::string& message) {
  return {.status = 200,
          .headers = {{"content-type", "application/grpc"}},
          .trailers = {{"grpc-status", "0"}},
          .body = std::string("\0\0\0\0", 4) + static_cast<char>(message.size()) + message};
}

class OtlpGrpc : public ::testing::Test {
 protected:
  void Start(HttpClientSettings client) {
    auto exporter = MakeOtlpGrpcExporter({.client = std::move(client)}, std::make_unique<ScriptedTransport>(script_));
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    exporter_ = *std::move(exporter);
  }
  void SetUp() override { Start({.endpoint = "collector:4317", .timeout = absl::Seconds(5)}); }

  ExportResult Export(StatusOr<HttpResponse> answer,
                      const Batch& batch = {.signal = Signal::kTraces, .bytes = "data", .items = 10}) {
    script_.answer = std::move(answer);
    return exporter_->Export(batch, absl::Seconds(60));
  }

  TransportScript script_;
  std::unique_ptr<pipeline::Exporter> exporter_;
};

TEST_F(OtlpGrpc, CallsTheMethodOfTheSignal) {
  const char* const paths[] = {"/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                               "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
                               "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
                               "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"};
  for (const Signal signal : kAllSignals) {
    EXPECT_EQ(Export(Ok(""), {.signal = signal, .bytes = "data"}).outcome, Outcome::kDelivered);
    EXPECT_EQ(script_.request.url, std::string("https://collector:4317") + paths[static_cast<int>(signal)]);
  }
}

TEST_F(OtlpGrpc, SendsWhatTheProtocolWants) {
  EXPECT_EQ(Export(Ok("")).outcome, Outcome::kDelivered);
  EXPECT_EQ(script_.request.method, "POST");
  EXPECT_TRUE(script_.request.http2_only);
  EXPECT_EQ(script_.request.timeout, absl::Seconds(5));  // the lesser of both
  EXPECT_EQ(script_.Header("content-type"), "application/grpc");
  EXPECT_EQ(script_.Header("te"), "trailers");
  EXPECT_EQ(script_.Header("grpc-timeout"), "5000m");
  EXPECT_EQ(script_.Header("grpc-encoding"), "gzip");
  EXPECT_EQ(script_.Header("grpc-accept-encoding"), "identity");
  EXPECT_EQ(script_.body[0], '\1');
  EXPECT_EQ(*GzipDecompress(script_.body.substr(5), 100), "data");
}

TEST_F(OtlpGrpc, SendsUncompressedIfToldSo) {
  Start({.endpoint = "http://collector:4317", .compression = Compression::kNone, .timeout = absl::ZeroDuration()});
  EXPECT_EQ(Export(Ok("")).outcome, Outcome::kDelivered);
  EXPECT_TRUE(script_.request.url.starts_with("http://collector:4317/"));
  EXPECT_EQ(script_.request.timeout, absl::Seconds(60));
  EXPECT_EQ(script_.Header("grpc-encoding"), "");
  EXPECT_EQ(script_.body, std::string("\0\0\0\0\4", 5) + "data");
}

TEST_F(OtlpGrpc, CountsPartialSuccess) {
  const ExportResult result =
      Export(Ok(std::string("\x0a\x07\x08\x03\x12\x03"
                            "bad",
                            9)));
  EXPECT_EQ(result.outcome, Outcome::kDelivered);
  EXPECT_EQ(result.rejected_items, 3);
  EXPECT_THAT(result.message, HasSubstr("bad"));
}

TEST_F(OtlpGrpc, JudgesAnswersByTheSpecification) {
  struct Case {
    StatusOr<HttpResponse> answer;
    Outcome outcome;
    const char* says;
  };
  HttpResponse compressed = Ok("");
  compressed.body[0] = '\1';
  HttpResponse without_message = Ok("");
  without_message.body = "";
  HttpResponse cut = Ok("");
  cut.trailers.clear();
  HttpResponse foreign = Ok("\x0a\x7f");
  const Case cases[] = {
      {HttpResponse{.status = 200, .headers = {{"grpc-status", "14"}, {"grpc-message", "try%20later"}}},
       Outcome::kRetryable, "UNAVAILABLE: try later"},
      {HttpResponse{.status = 200, .headers = {{"grpc-status", "3"}}}, Outcome::kPermanent, "INVALID_ARGUMENT"},
      {HttpResponse{.status = 200, .headers = {{"grpc-status", "8"}}}, Outcome::kPermanent, "RESOURCE_EXHAUSTED"},
      {HttpResponse{
           .status = 200,
           .headers = {{"grpc-status", "8"}, {"grpc-message", "grpc: received message larger than max (9 vs. 4)"}}},
       Outcome::kTooLarge, "larger than max"},
      {HttpResponse{.status = 413}, Outcome::kTooLarge, "HTTP 413"},
      {HttpResponse{.status = 503, .body = "upstream connect error"}, Outcome::kRetryable, "upstream connect error"},
      {HttpResponse{.status = 404}, Outcome::kPermanent, "UNIMPLEMENTED"},
      {HttpResponse{.status = 200, .headers = {{"content-type", "text/html"}}, .body = "hi"}, Outcome::kPermanent,
       "text/html: hi"},
      {compressed, Outcome::kPermanent, "can't be unpacked"},
      {without_message, Outcome::kPermanent, "no message"},
      {cut, Outcome::kPermanent, "without grpc-status"},
      {foreign, Outcome::kPermanent, "not that of OTLP"},
      {absl::UnavailableError("no route"), Outcome::kRetryable, "no route"},
      {absl::DeadlineExceededError("slow"), Outcome::kRetryable, "slow"},
      {absl::CancelledError("stop"), Outcome::kRetryable, "stop"},
      {absl::UnauthenticatedError("certificate"), Outcome::kRetryable, "certificate"},
      {absl::InvalidArgumentError("bad header"), Outcome::kPermanent, "bad header"},
  };
  for (const Case& c : cases) {
    const ExportResult result = Export(c.answer);
    EXPECT_EQ(result.outcome, c.outcome) << c.says;
    EXPECT_THAT(result.message, HasSubstr(c.says));
    EXPECT_EQ(result.retry_after, std::nullopt);
    EXPECT_EQ(result.rejected_items, 0);
  }
}

TEST_F(OtlpGrpc, WaitsAsLongAsRetryInfoSays) {
  const ExportResult result = Export(
      HttpResponse{.status = 200,
                   .headers = {{"grpc-status", "8"},
                               {"grpc-status-details-bin",
                                "CAgSAm5vGjAKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SBAoCCAc="}}});
  EXPECT_EQ(result.outcome, Outcome::kRetryable);
  EXPECT_EQ(result.retry_after, absl::Seconds(7));
}

TEST_F(OtlpGrpc, PassesCancelOn) {
  exporter_->Cancel();
  EXPECT_TRUE(script_.cancelled);
}

TEST(MakeOtlpGrpcExporter, RefusesSettingsThatCanNotBe) {
  EXPECT_FALSE(MakeOtlpGrpcExporter({.client = {.endpoint = "unix:///x"}}).ok());
  EXPECT_FALSE(MakeOtlpGrpcExporter({.client = {.endpoint = "h:1", .tls = {.ca_file = "/nowhere"}}}).ok());
  EXPECT_TRUE(MakeOtlpGrpcExporter({.client = {.endpoint = "h:1"}}).ok());
}

}  // namespace
}  // namespace kiln::exporters
