// SPDX-License-Identifier: Apache-2.0
#include "agent/config/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/testing.h"

namespace kiln::agent::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

AgentConfig Right(const std::vector<std::string>& texts) {
  const LoadResult result = Load(texts);
  EXPECT_EQ(RenderErrors(result), "");
  return result.config;
}

std::vector<std::string> Changes(const std::string& over) {
  return Diff(Right({kBasic}), Right({kBasic, over})).Describe();
}

TEST(Diff, FindsNothingInTheSame) {
  const ConfigDiff diff = Diff(Right({kBasic}), Right({kBasic}));
  EXPECT_TRUE(diff.empty());
  // Nor in what nobody uses, nor in what is only written in another way.
  EXPECT_THAT(Changes("receivers: {profiling/unused: {frequency: 5}}\nexporters: {debug: }"), IsEmpty());
  EXPECT_THAT(Changes("receivers: {profiling: {frequency: 19, window: 0.25m}}"), IsEmpty());
}

TEST(Diff, TellsThePartsOfAReceiver) {
  const ConfigDiff diff = Diff(Right({kBasic}), Right({kBasic, "receivers: {profiling: {frequency: 99}}"}));
  ASSERT_EQ(diff.receivers.size(), 1u);
  EXPECT_TRUE(diff.receivers[0].Only(ReceiverPart::kFrequency));
  EXPECT_FALSE(diff.receivers[0].Only(ReceiverPart::kWindow));
  const std::pair<const char*, const char*> cases[] = {
      {"window: 1s", "window"},
      {"kernel_stacks: false", "kernel_stacks"},
      {"unwind_memory: 41MiB", "unwind_memory or unwind_cache"},
      {"unwind_cache: none", "unwind_memory or unwind_cache"},
      {"filters: {comm: x}", "filters"},
      {"attributes: {thread_id: true}", "attributes"},
      {"resource: {max_attributes: 3}", "resource"},
      {"relabel: [{action: remove, target: a}]", "relabel"},
      {"frequency: 5, filters: {pids: [1]}", "frequency, filters"},
  };
  for (const auto& [over, parts] : cases) {
    EXPECT_THAT(Changes(fmt::format("receivers: {{profiling: {{{}}}}}", over)),
                ElementsAre(fmt::format("receivers.profiling: changed: {}", parts)));
  }
}

TEST(Diff, TellsExportersThatCameWentAndChanged) {
  EXPECT_THAT(Changes("exporters: {otlp: {compression: none}}"), ElementsAre("exporters.otlp: changed"));
  EXPECT_THAT(Changes("exporters: {otlp: {sending_queue: {queue_size: 5}}}"), ElementsAre("exporters.otlp: changed"));
  EXPECT_THAT(Changes("exporters: {debug: }\nservice: {pipelines: {profiles: {exporters: [debug]}}}"),
              ElementsAre("exporters.debug: added", "exporters.otlp: removed", "service.pipelines: changed"));
}

TEST(Diff, FollowsExtensions) {
  const std::string with = kBasic + "extensions: {file_storage: {directory: /a}, bearertokenauth: {token: x}}\n";
  const std::string use =
      "exporters: {otlp: {auth: {authenticator: bearertokenauth}, sending_queue: {storage: file_storage}}}\n"
      "service: {extensions: [file_storage, bearertokenauth]}";
  const auto changes = [&](const std::string& over) {
    return Diff(Right({with, use}), Right({with, use, over})).Describe();
  };
  EXPECT_THAT(changes("extensions: {file_storage: {directory: /b}}"),
              ElementsAre("exporters.otlp: changed, with its storage"));
  EXPECT_THAT(changes("extensions: {bearertokenauth: {token: y}}"), ElementsAre("exporters.otlp: changed"));
  EXPECT_THAT(changes("extensions: {basicauth: {client_auth: {username: u, password: p}}}"), IsEmpty());
  EXPECT_THAT(changes("exporters: {otlp: {sending_queue: {storage: }}}"),
              ElementsAre("exporters.otlp: changed, with its storage"));
}

TEST(Diff, TellsTelemetryAndLimits) {
  EXPECT_THAT(
      Changes(
          "service: {telemetry: {logs: {level: debug}, metrics: {level: basic, address: \":1\"}, resource: {a: b}}, "
          "limits: {memory_mib: 64}}"),
      ElementsAre("service.telemetry.logs: changed", "service.telemetry.metrics.level: changed",
                  "service.telemetry.metrics.address: changed", "service.telemetry.resource: changed",
                  "service.limits: changed"));
}

}  // namespace
}  // namespace kiln::agent::config
