// SPDX-License-Identifier: Apache-2.0
// Both exporters with the real client against servers on loopback.
#include <gmock/gmock.h>

#include "base/gzip.h"
#include "base/net/testing/test_server.h"
#include "exporters/otlp_grpc.h"
#include "exporters/otlp_http.h"

namespace kiln::exporters {
namespace {

using kiln::testing::TestAnswer;
using kiln::testing::TestAuthority;
using kiln::testing::TestCertificate;
using kiln::testing::TestRequest;
using kiln::testing::TestServer;
using kiln::testing::TestTls;
using pipeline::Batch;
using pipeline::ExportResult;
using ::testing::HasSubstr;
using Outcome = ExportResult::Outcome;

TestAnswer GrpcOk(const TestRequest&) {
  return {.headers = {{"content-type", "application/grpc"}},
          .body = std::string(5, '\0'),
          .trailers = {{"grpc-status", "0"}}};
}

std::unique_ptr<pipeline::Exporter> Grpc(HttpClientSettings client) {
  auto exporter = MakeOtlpGrpcExporter({.client = std::move(client)});
  EXPECT_TRUE(exporter.ok()) << exporter.status();
  return *std::move(exporter);
}

const Batch kBatch{.signal = pipeline::Signal::kProfiles, .bytes = "profiles", .items = 1};

TEST(OtlpLoopback, SendsGrpcOverTlsWithBothCertificatesAndAToken) {
  const TestAuthority authority;
  const TestCertificate agent = authority.Issue("agent");
  TestServer server({.handler = GrpcOk,
                     .tls = TestTls{.certificate = authority.Issue("server"),
                                    .client_ca_pem = authority.cert_pem(),
                                    .min_version = TLS1_3_VERSION},
                     .http2 = true});
  const auto exporter = Grpc({.endpoint = fmt::format("127.0.0.1:{}", server.port()),
                              .tls = {.ca_pem = authority.cert_pem(),
                                      .cert_pem = agent.cert_pem,
                                      .key_pem = agent.key_pem,
                                      .min_version = "1.3"},
                              .headers = {{"X-Scope-OrgID", "tenant"}, {"authorization", "Bearer t0ken"}}});
  const ExportResult result = exporter->Export(kBatch, absl::Seconds(60));
  EXPECT_EQ(result.outcome, Outcome::kDelivered) << result.message;
  ASSERT_EQ(server.requests().size(), 1u);
  const TestRequest request = server.requests()[0];
  EXPECT_EQ(request.path, "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export");
  EXPECT_EQ(request.peer_name, "agent");
  EXPECT_EQ(request.Header("x-scope-orgid"), "tenant");
  EXPECT_EQ(request.Header("authorization"), "Bearer t0ken");
  EXPECT_THAT(request.Header("user-agent"), ::testing::MatchesRegex("kiln/[0-9.]+ OTel-OTLP-Exporter-Cpp/[0-9.]+"));
  EXPECT_EQ(*GzipDecompress(request.body.substr(5), 100), "profiles");
}

TEST(OtlpLoopback, LearnsThatAGrpcMessageIsTooLargeWithoutSendingItAll) {
  TestServer server({.handler =
                         [](const TestRequest&) {
                           return TestAnswer{
                               .headers = {{"content-type", "application/grpc"},
                                           {"grpc-status", "8"},
                                           {"grpc-message", "grpc: received message larger than max (9 vs. 4)"}}};
                         },
                     .http2 = true,
                     .answer_early = true});
  const auto exporter =
      Grpc({.endpoint = server.Url(""), .compression = Compression::kNone, .timeout = absl::Seconds(60)});
  const ExportResult result = exporter->Export({.bytes = std::string(20 << 20, 'x')}, absl::Seconds(60));
  EXPECT_EQ(result.outcome, Outcome::kTooLarge) << result.message;
}

TEST(OtlpLoopback, RetriesLaterWhenTheServerIsGone) {
  auto server = std::make_unique<TestServer>(TestServer::Options{.handler = GrpcOk, .http2 = true});
  const auto exporter = Grpc({.endpoint = server->Url("")});
  EXPECT_EQ(exporter->Export(kBatch, absl::Seconds(60)).outcome, Outcome::kDelivered);
  server.reset();
  const ExportResult result = exporter->Export(kBatch, absl::Seconds(60));
  EXPECT_EQ(result.outcome, Outcome::kRetryable);
  EXPECT_THAT(result.message, HasSubstr("127.0.0.1"));
}

TEST(OtlpLoopback, SendsHttpAndUnderstandsItsAnswers) {
  TestServer server({.handler = [](const TestRequest& request) {
    if (request.path != "/v1development/profiles") return TestAnswer{.status = 404};
    return TestAnswer{.headers = {{"content-type", "application/x-protobuf"}},
                      .body = std::string("\x0a\x02\x08\x01", 4)};
  }});
  auto exporter = MakeOtlpHttpExporter({.client = {.endpoint = server.Url("")}});
  ASSERT_TRUE(exporter.ok()) << exporter.status();
  const ExportResult result = (*exporter)->Export(kBatch, absl::Seconds(60));
  EXPECT_EQ(result.outcome, Outcome::kDelivered) << result.message;
  EXPECT_EQ(result.rejected_items, 1);
  EXPECT_EQ(*GzipDecompress(server.requests()[0].body, 100), "profiles");
  EXPECT_EQ((*exporter)->Export({.signal = pipeline::Signal::kLogs}, absl::Seconds(60)).outcome, Outcome::kPermanent);
}

}  // namespace
}  // namespace kiln::exporters
