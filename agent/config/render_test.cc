// SPDX-License-Identifier: Apache-2.0
#include "agent/config/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/scalars.h"
#include "agent/config/testing.h"
#include "agent/config/yaml_text.h"

namespace kiln::agent::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const char kRich[] = R"(
receivers:
  profiling:
    frequency: 97
    unwind_memory: 48MiB
    filters: {pids: [1, 2], comm: "^a|b: $${x}"}
    relabel:
      - {action: drop, source: service.name, regex: "${RULE}"}
      - {action: remove, target: host.name}
exporters:
  otlp:
    endpoint: h:4317
    headers: {authorization: Bearer hunter2, X-Scope-OrgID: me, cookie: hunter2}
    tls: {cert_pem: hunter2, key_pem: hunter2, min_version: "1.3", ca_file: /ca}
    proxy_url: http://user:hunter2@proxy:3128/?token=hunter2&a=b
    sending_queue: {overflow: block}
  otlphttp:
    endpoint: https://user:hunter2@h
    auth: {authenticator: oauth2client}
extensions:
  oauth2client: {client_id: i, client_secret: hunter2, token_url: "https://t/?client_secret=hunter2", endpoint_params: {password: hunter2, audience: x}}
  bearertokenauth: {token: hunter2}
  basicauth: {client_auth: {username: u, password: hunter2}}
service:
  extensions: [oauth2client]
  pipelines: {profiles: {receivers: [profiling], exporters: [otlp, otlphttp]}}
  telemetry: {resource: {"a b": "on", empty: ""}}
  limits: {cpu_percent: 0.3}
)";

TEST(RenderConfig, ShowsWhatHoldsAndWhereItIsFrom) {
  const LoadResult result = Load(kRich, {{"RULE", "x-.*"}});
  ASSERT_EQ(RenderErrors(result), "");
  const std::string text = RenderConfig(result);
  EXPECT_THAT(text, HasSubstr("receivers:\n"
                              "  profiling:\n"
                              "    frequency: 97  # k.yaml:4\n"
                              "    window: 15s\n"
                              "    kinds: [cpu]\n"
                              "    kernel_stacks: true\n"
                              "    unwind_memory: 48MiB  # k.yaml:5\n"
                              "    debug_info:\n"
                              "      enabled: true\n"
                              "      cache_size: 1GiB\n"
                              "      memory: 256MiB\n"
                              "    filters:\n"
                              "      pids: [1, 2]  # k.yaml:6\n"
                              "      comm: \"^a|b: $${x}\"  # k.yaml:6\n"
                              "      exclude_self: true\n"));
  EXPECT_THAT(text, HasSubstr("    relabel:  # k.yaml:8\n"
                              "      - action: drop  # k.yaml:8\n"
                              "        source: service.name  # k.yaml:8\n"
                              "        regex: \"x-.*\"  # k.yaml:8\n"));
  EXPECT_THAT(text, HasSubstr("    max_request_items: 16000\n"));
  EXPECT_THAT(text, HasSubstr("    cpu_percent: 0.3  # k.yaml:28\n"));
}

TEST(RenderConfig, ShowsNoSecrets) {
  const LoadResult result = Load(kRich, {{"RULE", "x"}});
  const std::string text = RenderConfig(result);
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  EXPECT_THAT(
      text, HasSubstr("      authorization: \"[REDACTED]\"\n      X-Scope-OrgID: me\n      cookie: \"[REDACTED]\"\n"));
  EXPECT_THAT(text, HasSubstr("proxy_url: \"http://[REDACTED]@proxy:3128/?token=[REDACTED]&a=b\""));
  EXPECT_THAT(text, HasSubstr("ca_file: /ca"));
  EXPECT_THAT(text, HasSubstr("audience: x"));
  for (const Diagnostic& diagnostic : result.warnings) EXPECT_THAT(diagnostic.Text(), Not(HasSubstr("hunter2")));
}

TEST(RenderConfig, IsReadBackAsTheSame) {
  for (const std::string& source : {std::string(kRich), kBasic}) {
    const LoadResult result = Load(source, {{"RULE", "a'\"\\$$$${x}: #"}});
    ASSERT_EQ(RenderErrors(result), "");
    const std::string text = RenderConfig(result.config, result.origins, YamlWriter::Secrets::kShown);
    const LoadResult again = Load(text);
    ASSERT_EQ(RenderErrors(again), "") << text;
    EXPECT_EQ(again.config, result.config) << text;
  }
}

TEST(YamlText, SurvivesTheWayBack) {
  for (const char* text :
       {"",    "a",           "true", "No", "~",  "1",   "-",  "a: b", "a #b", "${X}", "$$",  "$",    "$x",
        "$$$", "a\nb\t\"c\"", "é",    "'",  "{}", "[a]", "*x", "%",    "@",    "x:",   "1.5", "/a/b", "\x01"}) {
    const LoadResult result =
        Load({kBasic, fmt::format("receivers: {{profiling: {{unwind_cache: {}}}}}", YamlText(text))});
    ASSERT_EQ(RenderErrors(result), "") << text;
    EXPECT_EQ(result.config.receivers.at("profiling").unwind_cache, text);
  }
}

TEST(Scalars, AreReadAndWritten) {
  EXPECT_EQ(ParseDuration("1m30s"), absl::Seconds(90));
  EXPECT_EQ(ParseDuration("1.5h"), absl::Minutes(90));
  EXPECT_EQ(ParseDuration("0"), absl::ZeroDuration());
  for (const char* bad : {"", "5", "-1s", "+1s", "inf", "1x", "s", "1s ", "99999999999999999999h", "1 s"}) {
    EXPECT_FALSE(ParseDuration(bad)) << bad;
  }
  EXPECT_EQ(DurationText(absl::Milliseconds(1500)), "1.5s");
  EXPECT_EQ(DurationText(absl::ZeroDuration()), "0s");
  EXPECT_EQ(ParseBytes("3.5MiB"), 3'670'016);
  EXPECT_EQ(ParseBytes("1 GiB"), 1 << 30);
  EXPECT_EQ(ParseBytes("12"), 12);
  for (const char* bad : {"", "-1", "1MB", "MiB", "1e30GiB", "nan", "1 2KiB"}) EXPECT_FALSE(ParseBytes(bad)) << bad;
  EXPECT_EQ(BytesText(3'670'016), "3.5MiB");
  EXPECT_EQ(BytesText(1000), "1000");
  EXPECT_EQ(ParseNumber("0.3"), 0.3);
  for (const char* bad : {"", "inf", "nan", "0x1", "1,5", "1e999"}) EXPECT_FALSE(ParseNumber(bad)) << bad;
  EXPECT_EQ(ParseInt("+7"), 7);
  for (const char* bad : {"", "1.0", "0x10", "1_000", "9999999999999999999"}) EXPECT_FALSE(ParseInt(bad)) << bad;
}

}  // namespace
}  // namespace kiln::agent::config
