// SPDX-License-Identifier: Apache-2.0
#include "agent/config/otel_environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/testing.h"

namespace kiln::agent::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

const HttpClientSettings& Client(const LoadResult& result, const std::string& id) {
  return *ClientOf(result.config.exporters.at(id));
}

TEST(WithoutConfiguration, ProfilesGoWhereTheVariablesSay) {
  const LoadResult result = LoadConfig({}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318"}});
  EXPECT_EQ(RenderErrors(result), "");
  EXPECT_THAT(UsedReceivers(result.config), ElementsAre("profiling"));
  EXPECT_THAT(UsedExporters(result.config), ElementsAre("otlphttp"));
  EXPECT_EQ(Client(result, "otlphttp").endpoint, "http://h:4318");
  EXPECT_EQ(result.origins.at("exporters.otlphttp.endpoint"), "OTEL_EXPORTER_OTLP_ENDPOINT");
  EXPECT_THAT(result.files, IsEmpty());
}

TEST(WithoutConfiguration, TheProtocolChoosesTheExporter) {
  const LoadResult result =
      LoadConfig({}, {{"OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT", "h:4317"}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}});
  EXPECT_EQ(RenderErrors(result), "");
  EXPECT_EQ(Client(result, "otlp").endpoint, "h:4317");
}

TEST(WithoutConfiguration, TellsWhatToDo) {
  EXPECT_EQ(
      RenderErrors(LoadConfig({}, {})),
      "there is no configuration: name a file by --config, or set OTEL_EXPORTER_OTLP_ENDPOINT to where profiles shall "
      "go\n1 error in the configuration\n");
  EXPECT_EQ(RenderErrors(LoadConfig(
                {}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h"}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"}})),
            "environment: OTEL_EXPORTER_OTLP_PROTOCOL is 'http/json': grpc and http/protobuf are built\n"
            "1 error in the configuration\n");
}

const std::string kHttpWithoutEndpoint =
    "receivers: {profiling: }\n"
    "exporters: {otlphttp: {timeout: 3s}}\n"
    "service: {pipelines: {profiles: {receivers: [profiling], exporters: [otlphttp]}}}\n";

TEST(OtelVariables, FillWhatTheConfigurationLeavesOpen) {
  const LoadResult result = Load(kHttpWithoutEndpoint, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://h:4318/base"},
                                                        {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x = y ,"},
                                                        {"OTEL_EXPORTER_OTLP_COMPRESSION", "none"},
                                                        {"OTEL_EXPORTER_OTLP_TIMEOUT", "9000"},
                                                        {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca"},
                                                        {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/cert"},
                                                        {"OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"}});
  EXPECT_EQ(RenderErrors(result), "");
  const HttpClientSettings& client = Client(result, "otlphttp");
  EXPECT_EQ(client.endpoint, "https://h:4318/base");
  EXPECT_THAT(client.headers, ElementsAre(Pair("api-key", "a b"), Pair("x", "y")));
  EXPECT_EQ(client.compression, Compression::kNone);
  EXPECT_EQ(client.timeout, absl::Seconds(3)) << "the configuration has it";
  EXPECT_EQ(client.tls.ca_file, "/ca");
  EXPECT_EQ(client.tls.cert_file, "/cert");
  EXPECT_EQ(client.tls.key_file, "/key");
}

TEST(OtelVariables, OfTheSignalGoFirst) {
  const LoadResult result =
      Load(kHttpWithoutEndpoint, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://general"},
                                  {"OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT", "http://profiles/v1development/profiles"}});
  const auto& settings = std::get<exporters::OtlpHttpSettings>(result.config.exporters.at("otlphttp").settings);
  EXPECT_EQ(settings.profiles_endpoint, "http://profiles/v1development/profiles");
  EXPECT_EQ(settings.client.endpoint, "");
}

TEST(OtelVariables, StayOutOfAnExporterWithAnEndpoint) {
  const LoadResult result = Load(kBasic, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "other:4317"},
                                          {"OTEL_EXPORTER_OTLP_HEADERS", "a=b"},
                                          {"OTEL_EXPORTER_OTLP_INSECURE", "true"}});
  EXPECT_EQ(Client(result, "otlp").endpoint, "h:4317");
  EXPECT_THAT(Client(result, "otlp").headers, IsEmpty());
  EXPECT_FALSE(Client(result, "otlp").tls.insecure);
}

TEST(OtelVariables, ThatAreWrongAreNotUsed) {
  const LoadResult result = Load(
      "receivers: {profiling: }\nexporters: {otlp: }\n"
      "service: {pipelines: {profiles: {receivers: [profiling], exporters: [otlp]}}}\n",
      {{"OTEL_EXPORTER_OTLP_ENDPOINT", "h:4317"},
       {"OTEL_EXPORTER_OTLP_HEADERS", "nonsense"},
       {"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"},
       {"OTEL_EXPORTER_OTLP_TIMEOUT", "5s"},
       {"OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"},
       {"OTEL_EXPORTER_OTLP_INSECURE", "TRUE"}});
  EXPECT_EQ(
      RenderErrors(result),
      "environment: exporters.otlp: warning: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: and OTEL_EXPORTER_OTLP_CLIENT_KEY "
      "belong together; the one that is set is not used\n"
      "environment: exporters.otlp: warning: OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd' is not known; gzip and none are. "
      "It "
      "is not used\n"
      "environment: exporters.otlp: warning: OTEL_EXPORTER_OTLP_HEADERS: is not of the form name=value,name=value; it "
      "is not used\n"
      "environment: exporters.otlp: warning: OTEL_EXPORTER_OTLP_TIMEOUT: '5s' is no number of milliseconds up to an "
      "hour; it is not used\n");
  const HttpClientSettings& client = Client(result, "otlp");
  EXPECT_EQ(client.timeout, absl::Seconds(5));
  EXPECT_EQ(client.tls.key_file, "");
  EXPECT_TRUE(client.tls.insecure);
}

}  // namespace
}  // namespace kiln::agent::config
