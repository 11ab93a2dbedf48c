// SPDX-License-Identifier: Apache-2.0
#include "agent/config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/config/testing.h"

namespace kiln::agent::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(LoadConfig, RefusesOfAUsualCollectorConfigurationWhatIsNotBuiltAndNothingElse) {
  const LoadResult result = LoadConfig({"agent/config/testdata/collector_agent.yaml"}, {{"OTLP_TOKEN", "a: $${b"}});
  EXPECT_EQ(
      RenderErrors(result),
      "agent/config/testdata/collector_agent.yaml:3:3: receivers.otlp: kiln cannot receive OTLP yet\n"
      "agent/config/testdata/collector_agent.yaml:14:3: processors.memory_limiter: kiln has no processor "
      "memory_limiter "
      "yet; see service.limits\n"
      "agent/config/testdata/collector_agent.yaml:18:3: processors.batch: kiln has no processor batch yet; exporters "
      "split by their own max_request_bytes and max_request_items\n"
      "agent/config/testdata/collector_agent.yaml:22:3: processors.probabilistic_sampler: kiln has no processor "
      "probabilistic_sampler yet\n"
      "agent/config/testdata/collector_agent.yaml:51:5: service.pipelines.traces: kiln has no pipelines of traces yet\n"
      "agent/config/testdata/collector_agent.yaml:38:17: exporters.otlp.keepalive.time: warning: has no effect in "
      "kiln\n"
      "5 errors, 1 warning in the configuration\n");
  // What is built was read all the same.
  const ExporterConfig& exporter = result.config.exporters.at("otlp");
  const HttpClientSettings& client = *ClientOf(exporter);
  EXPECT_EQ(client.endpoint, "gateway.observability.svc:4317");
  EXPECT_THAT(client.headers, ElementsAre(Pair("authorization", "Bearer a: $${b")));
  EXPECT_EQ(client.tls.min_version, "1.3");
  EXPECT_THAT(client.tls.cipher_suites,
              ElementsAre("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"));
  EXPECT_EQ(exporter.path.queue.num_consumers, 4);
  EXPECT_EQ(exporter.path.queue.queue_size, 5000);
  EXPECT_EQ(exporter.path.retry.max_elapsed_time, absl::Minutes(10));
  EXPECT_EQ(result.config.service.telemetry.metrics_level, MetricsLevel::kDetailed);
}

TEST(LoadConfig, TakesDefaultsWhereNothingIsSaid) {
  const LoadResult result = Load(kBasic);
  EXPECT_EQ(RenderErrors(result), "");
  EXPECT_EQ(result.config.receivers.at("profiling"), ProfilingReceiver());
  const ExporterConfig& exporter = result.config.exporters.at("otlp");
  EXPECT_EQ(exporter.path.timeout, absl::Seconds(5));
  EXPECT_EQ(exporter.path.max_request_bytes, 3'670'016);
  EXPECT_EQ(exporter.path.max_request_items, 16'000);
  EXPECT_EQ(exporter.path.queue, pipeline::QueueSettings());
  EXPECT_EQ(exporter.path.retry, pipeline::RetrySettings());
  EXPECT_EQ(result.config.service.telemetry, TelemetryConfig());
  EXPECT_EQ(result.config.service.limits, LimitsConfig());
  EXPECT_THAT(UsedReceivers(result.config), ElementsAre("profiling"));
  EXPECT_THAT(UsedExporters(result.config), ElementsAre("otlp"));
}

TEST(LoadConfig, ReadsEverySetting) {
  const LoadResult result = Load(R"(
receivers:
  profiling:
    frequency: 97
    window: 1m30s
    kinds: [cpu]
    kernel_stacks: false
    unwind_memory: 3.5GiB
    unwind_cache: none
    filters: {pids: [1, 42], comm: ^nginx, cgroups: [/system.slice], exclude_self: false}
    attributes: {thread_name: true, thread_id: true}
    resource: {process_command_line: true, redact: [], environment_variables: [TIER], otel_environment: false,
               systemd_unit_as_service: false, max_attributes: 10}
    relabel:
      - {action: drop, source: service.name, regex: test-.*}
      - {action: set, source: process.executable.name, regex: "(.*)-worker", target: service.name, value: '\1'}
exporters:
  otlphttp/x:
    endpoint: https://h/base
    profiles_endpoint: https://p/v1development/profiles
    compression: zstd
    timeout: 7s
    proxy_url: http://proxy:3128
    headers: [{name: X-Scope-OrgID, value: 5}]
    auth: {authenticator: oauth2client}
    retry_on_failure: {enabled: false}
    sending_queue: {sizer: bytes, queue_size: 1000000, storage: file_storage, block_on_overflow: true,
                    batch: {max_size: 2000}}
    max_request_bytes: 1MiB
  pyroscope: {endpoint: "http://p:4040", tenant_id: 12, external_labels: {zone: a}, labels: [host.name]}
  file: {path: /var/log/p, format: pprof, rotation: {max_days: 3}}
  debug: {verbosity: Detailed}
extensions:
  file_storage: {directory: /var/lib/kiln, fsync: true, max_size_mib: 64}
  oauth2client: {client_id: i, client_secret: s, token_url: "https://t/token", scopes: [a], endpoint_params: {audience: x}}
service:
  extensions: [file_storage, oauth2client]
  pipelines:
    profiles: {receivers: [profiling], exporters: [otlphttp/x, pyroscope, file, debug]}
  telemetry:
    logs: {level: WARN, encoding: json}
    metrics: {level: none, readers: [{pull: {exporter: {prometheus: {host: "::", port: 9999}}}}]}
    resource: {service.name: kiln-edge, host.name: }
  limits: {cpu_percent: 0.3, memory_mib: 64, bpf_memory_mib: 4096}
)");
  EXPECT_EQ(RenderErrors(result), "");
  const ProfilingReceiver& receiver = result.config.receivers.at("profiling");
  EXPECT_EQ(receiver.frequency, 97);
  EXPECT_EQ(receiver.window, absl::Seconds(90));
  EXPECT_EQ(receiver.unwind_memory, int64_t{7} << 29);
  EXPECT_EQ(receiver.filters, (ProfilingFilters{{{1}, {42}}, "^nginx", {"/system.slice"}, false}));
  EXPECT_EQ(receiver.attributes, (ProfilingAttributes{true, true}));
  EXPECT_EQ(receiver.resource, (ProfilingResource{true, {}, {"TIER"}, false, false, 10}));
  using Action = RelabelRule::Action;
  EXPECT_THAT(receiver.relabel,
              ElementsAre(RelabelRule{Action::kDrop, "service.name", "test-.*"},
                          RelabelRule{Action::kSet, "process.executable.name", "(.*)-worker", "service.name", "\\1"}));
  const ExporterConfig& http = result.config.exporters.at("otlphttp/x");
  const auto& settings = std::get<exporters::OtlpHttpSettings>(http.settings);
  EXPECT_EQ(settings.profiles_endpoint, "https://p/v1development/profiles");
  EXPECT_EQ(settings.client.compression, Compression::kZstd);
  EXPECT_THAT(settings.client.headers, ElementsAre(Pair("X-Scope-OrgID", "5")));
  ASSERT_TRUE(settings.client.auth.oauth2);
  EXPECT_EQ(settings.client.auth.oauth2->client_secret, "s");
  EXPECT_EQ(http.path.timeout, absl::Seconds(7));
  EXPECT_FALSE(http.path.retry.enabled);
  EXPECT_EQ(http.path.queue.sizer, pipeline::Sizer::kBytes);
  EXPECT_EQ(http.path.queue.overflow, pipeline::QueueSettings::Overflow::kBlock);
  EXPECT_EQ(http.path.max_request_bytes, 1 << 20);
  EXPECT_EQ(http.path.max_request_items, 2000);
  const auto& pyroscope = std::get<exporters::PyroscopeSettings>(result.config.exporters.at("pyroscope").settings);
  EXPECT_EQ(pyroscope.tenant_id, "12");
  EXPECT_THAT(pyroscope.external_labels, ElementsAre(Pair("zone", "a")));
  const auto& file = std::get<exporters::FileSettings>(result.config.exporters.at("file").settings);
  EXPECT_TRUE(file.rotation.enabled);
  EXPECT_EQ(file.rotation.max_days, 3);
  const TelemetryConfig& telemetry = result.config.service.telemetry;
  EXPECT_EQ(telemetry.log_level, LogLevel::kWarn);
  EXPECT_EQ(telemetry.metrics_address, "[::]:9999");
  EXPECT_THAT(telemetry.resource, ElementsAre(Pair("service.name", "kiln-edge"), Pair("host.name", "")));
  EXPECT_EQ(result.config.service.limits, (LimitsConfig{0.3, 64, 4096}));
}

TEST(LoadConfig, WarnsOfWhatHasNoEffect) {
  const LoadResult result =
      Load({kBasic,
            "exporters: {otlp: {read_buffer_size: 5, tls: {insecure: true}, endpoint: \"https://h\",\n"
            "  sending_queue: {batch: {min_size: 9}}}}\n"
            "service: {limits: {bpf_memory_mib: 20}, telemetry: {logs: {sampling: {enabled: true}}}}"});
  EXPECT_EQ(
      RenderErrors(result),
      "k2.yaml:1:20: exporters.otlp.read_buffer_size: warning: has no effect in kiln\n"
      "k2.yaml:1:41: exporters.otlp.tls: warning: insecure has no effect: the endpoint begins with https://\n"
      "k2.yaml:2:27: exporters.otlp.sending_queue.batch.min_size: warning: has no effect in kiln: each profile is sent "
      "when its window ends\n"
      "k2.yaml:3:36: service.limits.bpf_memory_mib: warning: 20 MiB is less than receivers.profiling.unwind_memory (24 "
      "MiB), which is not going to be used up\n"
      "k2.yaml:3:60: service.telemetry.logs.sampling: warning: has no effect in kiln\n");
  EXPECT_TRUE(result.ok());
}

TEST(Merging, LaysMapsOverEachOtherAndReplacesAllElse) {
  const LoadResult result = Load({kBasic, "receivers: {profiling: {frequency: 49, filters: {comm: a, pids: [1, 2]}}}",
                                  "receivers: {profiling: {frequency: 99, filters: {pids: [3]}}}"});
  EXPECT_EQ(RenderErrors(result), "");
  const ProfilingReceiver& receiver = result.config.receivers.at("profiling");
  EXPECT_EQ(receiver.frequency, 99);
  EXPECT_EQ(receiver.filters.comm, "a");
  EXPECT_THAT(receiver.filters.pids, ElementsAre(Pid{3}));
  EXPECT_EQ(result.origins.at("receivers.profiling.frequency"), "k3.yaml:1");
  EXPECT_EQ(result.origins.at("receivers.profiling.filters.comm"), "k2.yaml:1");
}

TEST(Merging, NullTakesAway) {
  const LoadResult result = Load(
      {kBasic, "receivers: {profiling: {frequency: 49, filters: {comm: a}}}", "receivers: {profiling: {filters: }}"});
  EXPECT_EQ(result.config.receivers.at("profiling").filters, ProfilingFilters());
  EXPECT_EQ(result.config.receivers.at("profiling").frequency, 49);
}

TEST(Merging, ErrorsNameTheFileOfTheValue) {
  EXPECT_THAT(Texts(Load({kBasic, "\n\nreceivers: {profiling: {window: 5}}"}).errors),
              ElementsAre("k2.yaml:3:33: receivers.profiling.window: '5' has no unit; write 5s, or 5ms"));
  // A file that can't be read hides what is wrong across files, not what is wrong in others.
  EXPECT_THAT(Texts(Load({"receivers: {profiling: {windw: 5s}}", "a: [", "exporters: {otlp: }"}).errors),
              ElementsAre(HasSubstr("k.yaml:1:25: receivers.profiling.windw: unknown key"), HasSubstr("k2.yaml:")));
}

class LoadFilesTest : public ::testing::Test {
 protected:
  LoadFilesTest() { std::filesystem::create_directories(folder_); }
  ~LoadFilesTest() override { std::filesystem::remove_all(folder_); }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  const std::string folder_ = fmt::format("{}/kiln_config_{}", ::testing::TempDir(), ::getpid());
};

TEST_F(LoadFilesTest, ReadsFilesInTheirOrder) {
  const std::string a = Write("a.yaml", kBasic);
  const std::string b = Write("b.conf", "receivers: {profiling: {frequency: 5}}");
  const std::string secret = Write("secret", "h:1\n");
  const std::string c = Write("c.yaml", "exporters: {otlp: {endpoint: \"${file:" + secret + "}\"}}");
  const LoadResult result = LoadConfig({a, b, c}, {});
  EXPECT_EQ(RenderErrors(result), "");
  EXPECT_EQ(result.config.receivers.at("profiling").frequency, 5);
  EXPECT_EQ(ClientOf(result.config.exporters.at("otlp"))->endpoint, "h:1");
  EXPECT_THAT(result.files, ElementsAre(a, b, c, secret));
}

TEST_F(LoadFilesTest, ReadsAFolderByName) {
  Write("10.yaml", kBasic);
  Write("30.yml", "receivers: {profiling: {frequency: 30}}");
  Write("20.yaml", "receivers: {profiling: {frequency: 20, window: 2s}}");
  Write(".hidden.yaml", "- no");
  Write("notes.txt", "- no");
  const LoadResult result = LoadConfig({folder_}, {});
  EXPECT_EQ(RenderErrors(result), "");
  EXPECT_EQ(result.config.receivers.at("profiling").frequency, 30);
  EXPECT_EQ(result.config.receivers.at("profiling").window, absl::Seconds(2));
}

TEST_F(LoadFilesTest, TellsOfFilesThatCannotBeRead) {
  const std::string none = folder_ + "/none.yaml", large = Write("large", std::string((1 << 20) + 1, '#'));
  const std::string empty = folder_ + "/empty";
  std::filesystem::create_directories(empty);
  const LoadResult result = LoadConfig({none, large, empty}, {});
  EXPECT_THAT(Texts(result.errors), ElementsAre(AllOf(HasSubstr(none + ": "), HasSubstr("No such file or directory")),
                                                large + ": larger than the 1024 KiB that a configuration may have",
                                                empty + ": the folder holds no *.yaml"));
  EXPECT_THAT(result.files, ElementsAre(none, large));
}

TEST(RenderErrors, CutsEndlessLists) {
  std::string text = kBasic;
  for (int i = 0; i < 250; ++i) text += fmt::format("x{}: 1\n", i);
  const LoadResult result = Load(text);
  EXPECT_EQ(result.errors.size(), 250u);
  EXPECT_THAT(RenderErrors(result), HasSubstr("… and 150 more\n250 errors in the configuration\n"));
}

TEST(Environ, IsReadAsItIs) {
  const char* const environ[] = {"A=1", "B=", "C=x=y", "broken", "A=2", nullptr};
  EXPECT_THAT(EnvironmentOf(environ), ElementsAre(Pair("A", "1"), Pair("B", ""), Pair("C", "x=y")));
  EXPECT_THAT(EnvironmentOf(nullptr), IsEmpty());
}

}  // namespace
}  // namespace kiln::agent::config
