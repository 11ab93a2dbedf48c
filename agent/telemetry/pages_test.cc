// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/telemetry/debug_pages.h"

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using Last = ExporterStatus::Last;

const absl::Time kNow = absl::FromUnixSeconds(1'763'800'424);  // 2025-11-22 08:33:44 UTC
constexpr const char* kEvil = "<script>alert(1)</script>\x1b[2J\n\xff";

// An agent for which all is well, to be spoiled by each test.
class FakeSource final : public StatusSource {
 public:
  FakeSource() {
    summary.version = "9.8.7";
    summary.started = kNow - absl::Hours(30);
    summary.sampling = {.attached = true, .cpus_sampled = 4, .cpus_online = 4, .frequency_hz = 19, .samples = 1000};
    summary.exporters = {{.id = "otlp/a",
                          .endpoint = "https://me:pw@collector:4317",
                          .last = Last::kAccepted,
                          .last_attempt = kNow - absl::Seconds(65),
                          .last_accepted = kNow - absl::Seconds(65),
                          .handed_over = 3,
                          .sent_samples = 990}};
    summary.reload = {.last = kNow - absl::Seconds(5), .message = "1 exporter added", .succeeded = 1};
    processes = {{.pid = 7, .name = "idle"},
                 {.pid = 42,
                  .name = kEvil,
                  .executable = "/opt/a b",
                  .service = "shop",
                  .container = std::string(64, 'c'),
                  .runtime = "docker",
                  .samples = 12,
                  .complete_share = 0.5,
                  .note = "deleted"}};
    tables.memory_bytes = 3 << 20;
    tables.memory_limit_bytes = 16 << 20;
    tables.files = {{.path = kEvil, .build_id = "abcdef", .pages = 4, .bytes = 8192}};
    tables.counters = {{"pages loaded", 17}};
    queues = {{.exporter = "otlp/a",
               .size = 2,
               .capacity = 1000,
               .bytes = 2048,
               .in_flight = 1,
               .oldest = kNow - absl::Seconds(9),
               .storage = "/var/lib/kiln",
               .dropped_samples = 5}};
    governor = {.cpu_limit_percent = 0.3,
                .cpu_percent = 0.25,
                .memory_bytes = 50 << 20,
                .level = "full",
                .since = kNow - absl::Hours(1),
                .steps = {{kNow - absl::Hours(1), "back to 19 Hz"}}};
  }
  AgentSummary Summary() override { return summary; }
  std::vector<ProcessRow> Processes() override { return processes; }
  TablesStatus Tables() override { return tables; }
  std::vector<QueueRow> Queues() override { return queues; }
  GovernorStatus Governor() override { return governor; }
  std::string EffectiveConfig() override { return "receivers:\n  profiling: {}\n"; }

  AgentSummary summary;
  std::vector<ProcessRow> processes;
  TablesStatus tables;
  std::vector<QueueRow> queues;
  GovernorStatus governor;
};

class PagesTest : public testing::Test {
 protected:
  PagesTest() { heartbeat_.Touch(monotonic_ns_); }
  HttpServerResponse Get(std::string path, std::string query = "") {
    Pages pages(
        settings_, registry_, heartbeat_, source_, [] { return kNow; }, [this] { return monotonic_ns_; });
    return pages.Handle({.method = "GET", .path = std::move(path), .query = std::move(query)});
  }
  nlohmann::json GetJson(std::string path) {
    const HttpServerResponse response = Get(std::move(path), "format=json");
    EXPECT_EQ(response.content_type, "application/json");
    return nlohmann::json::parse(response.body);
  }

  PagesSettings settings_;
  MetricRegistry registry_;
  Heartbeat heartbeat_;
  FakeSource source_;
  uint64_t monotonic_ns_ = 1'000'000'000'000;
};

TEST_F(PagesTest, RendersMetrics) {
  registry_.GetCounter("kiln_x_total", "X.").Add(3);
  const HttpServerResponse response = Get("/metrics");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("kiln_x_total 3\n"));
  settings_.metrics = false;
  EXPECT_EQ(Get("/metrics").status, 404);
}

TEST_F(PagesTest, IsHealthyWhileTheLoopTurns) {
  EXPECT_EQ(Get("/healthz").status, 200);
  EXPECT_EQ(Get("/healthz").body, "ok\n");
  monotonic_ns_ += 30'000'000'000;
  EXPECT_EQ(Get("/healthz").status, 200);
  monotonic_ns_ += 65'000'000'000;
  EXPECT_EQ(Get("/healthz").status, 503);
  EXPECT_EQ(Get("/healthz").body, "the main loop has not turned for 1m35s\n");
  EXPECT_EQ(GetJson("/healthz"),
            nlohmann::json({{"healthy", false}, {"reason", "the main loop has not turned for 1m35s"}}));
  heartbeat_.Touch(monotonic_ns_);
  EXPECT_EQ(Get("/healthz").status, 200);
}

TEST_F(PagesTest, IsNotHealthyBeforeTheLoopBegins) {
  const Heartbeat none;
  Pages pages(
      settings_, registry_, none, source_, [] { return kNow; }, [this] { return monotonic_ns_; });
  EXPECT_EQ(pages.Handle({.path = "/healthz"}).body, "the main loop has not begun to turn\n");
}

TEST_F(PagesTest, IsReadyWhenAllArrives) {
  EXPECT_EQ(Get("/readyz").status, 200);
  EXPECT_EQ(Get("/readyz").body, "ready\n");
  EXPECT_EQ(GetJson("/readyz"), nlohmann::json({{"ready", true}, {"reasons", nlohmann::json::array()}}));
}

TEST_F(PagesTest, GivesALinePerReason) {
  source_.summary.stopping = true;
  source_.summary.sampling.attached = false;
  source_.summary.sampling.reason = "cap_bpf is missing\nreally";
  source_.summary.exporters[0].last = Last::kRetrying;
  source_.summary.exporters[0].message = "503 from https://me:pw@host";
  source_.summary.exporters.push_back({.id = "file", .last = Last::kRefused, .message = "disk full"});
  monotonic_ns_ += 60'000'000'000;
  const HttpServerResponse response = Get("/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body,
            "the agent is stopping\n"
            "the main loop has not turned for 1m\n"
            "BPF is not attached: cap_bpf is missing\\nreally\n"
            "exporter otlp/a could not send and will try again: 503 from https://[redacted]@host\n"
            "what exporter file sent last was refused: disk full\n");
  EXPECT_EQ(GetJson("/readyz")["reasons"].size(), 5u);
  EXPECT_EQ(GetJson("/readyz")["ready"], false);
}

TEST(Readiness, AllowsForWhatHadNoReasonToExportYet) {
  AgentSummary summary{.started = kNow - absl::Minutes(10), .sampling = {.attached = true}, .exporters = {{.id = "e"}}};
  const auto reasons = [&] { return ReasonsNotReady(summary, absl::ZeroDuration(), kNow, {}); };
  EXPECT_THAT(reasons(), IsEmpty());  // nothing was handed to it
  summary.exporters[0].handed_over = 1;
  EXPECT_THAT(reasons(), ElementsAre(HasSubstr("exporter e has not got an answer")));
  summary.started = kNow - absl::Minutes(1);
  EXPECT_THAT(reasons(), IsEmpty());  // within the grace time
  summary.exporters[0].last = Last::kRetrying;
  EXPECT_THAT(reasons(), ElementsAre(HasSubstr("could not send")));  // which is no excuse for a failure
}

TEST(Readiness, NeedsBpfOnlyForProfiles) {
  const AgentSummary summary{.started = kNow, .sampling = {.wanted = false}};
  EXPECT_THAT(ReasonsNotReady(summary, absl::ZeroDuration(), kNow, {}), IsEmpty());
}

TEST_F(PagesTest, LeadsTheBrowserToTheIndex) {
  const HttpServerResponse response = Get("/");
  EXPECT_EQ(response.status, 302);
  EXPECT_THAT(response.headers, ElementsAre(testing::Pair("Location", "/debug")));
  const HttpServerResponse unknown = Get("/metric");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr("\n/metrics\n"));
  EXPECT_EQ(Get("/debug/x").status, 404);
  EXPECT_EQ(Get("/debugx").status, 404);
}

TEST_F(PagesTest, ShowsAnIndexThatNeedsNothingFromOutside) {
  source_.summary.exporters[0].message = kEvil;
  source_.summary.warnings = {"without cap_syslog <b>"};
  const HttpServerResponse response = Get("/debug");
  EXPECT_EQ(response.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(response.headers,
              ElementsAre(testing::Pair("Content-Security-Policy", StartsWith("default-src 'none'; style-src"))));
  EXPECT_THAT(response.body, StartsWith("<!doctype html>"));
  EXPECT_THAT(response.body, HasSubstr("href=\"/debug/processes\""));
  EXPECT_THAT(response.body, HasSubstr("9.8.7"));
  EXPECT_THAT(response.body, HasSubstr("1d 6h ago"));
  EXPECT_THAT(response.body, HasSubstr("1m 5s ago"));
  EXPECT_THAT(response.body, HasSubstr("Ready."));
  EXPECT_THAT(response.body, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J\\n\xef\xbf\xbd"));
  EXPECT_THAT(response.body, HasSubstr("without cap_syslog &lt;b&gt;"));
  for (const char* never : {"<script", "http://", "me:pw", "src=", "\x1b", "\xff"}) {
    EXPECT_THAT(response.body, Not(HasSubstr(never))) << never;
  }
  source_.summary.stopping = true;
  EXPECT_THAT(Get("/debug/").body, HasSubstr("<li>the agent is stopping</li>"));
  const auto json = GetJson("/debug");
  EXPECT_EQ(json["exporters"][0]["last"], "accepted");
  EXPECT_EQ(json["exporters"][0]["last_accepted"], "2025-11-22T08:32:39.000Z");
  EXPECT_EQ(json["exporters"][0]["endpoint"], "https://[redacted]@collector:4317");
  EXPECT_EQ(json["sampling"]["frequency_hz"], 19);
  EXPECT_EQ(json["ready"], false);
}

TEST_F(PagesTest, ListsProcessesBusiestFirst) {
  EXPECT_EQ(Get("/debug/processes").body,
            "2 processes; samples are those of the last window\n\n"
            "pid  name                                 samples  complete  service  container     executable  note\n"
            " 42  <script>alert(1)</script>\\x1b[2J\\n\xef\xbf\xbd       12   50.00 %  shop     cccccccccccc  /opt/a b "
            "   deleted\n"
            "  7  idle                                       0         -  -        -             -\n");
  const auto json = GetJson("/debug/processes");
  EXPECT_EQ(json["processes"][0]["pid"], 42);
  EXPECT_EQ(json["processes"][0]["container"], std::string(64, 'c'));
  EXPECT_EQ(json["processes"][0]["name"], "<script>alert(1)</script>\x1b[2J\n\xef\xbf\xbd");
}

TEST_F(PagesTest, ShowsTablesQueuesGovernorAndConfiguration) {
  EXPECT_EQ(Get("/debug/tables").content_type, "text/plain; charset=utf-8");
  EXPECT_THAT(Get("/debug/tables").body, HasSubstr("unwind tables  3.0 MiB of 16.0 MiB\n"));
  EXPECT_THAT(Get("/debug/tables").body, HasSubstr("abcdef        4  8.0 KiB\n"));
  EXPECT_EQ(GetJson("/debug/tables")["counters"]["pages loaded"], 17);
  EXPECT_EQ(GetJson("/debug/tables")["files"][0]["pages"], 4);

  EXPECT_THAT(Get("/debug/queue").body, HasSubstr("otlp/a       2  1000  requests  2.0 KiB          1  9s ago"));
  EXPECT_THAT(Get("/debug/queue").body, Not(HasSubstr("me:pw")));
  EXPECT_EQ(GetJson("/debug/queue")["queues"][0]["oldest"], "2025-11-22T08:33:35.000Z");
  EXPECT_EQ(GetJson("/debug/queue")["exporters"][0]["sent_samples"], 990);

  EXPECT_EQ(Get("/debug/governor").body,
            "level   full, since 2025-11-22 07:33:44 UTC\n"
            "cpu     0.25 % of the machine; limit: 0.30 %\n"
            "memory  50.0 MiB; limit: no limit\n"
            "\n2025-11-22 07:33:44 UTC  back to 19 Hz\n");
  EXPECT_EQ(GetJson("/debug/governor")["steps"][0]["what"], "back to 19 Hz");

  EXPECT_EQ(Get("/debug/config").body, "receivers:\n  profiling: {}\n");
  EXPECT_EQ(GetJson("/debug/config")["config"], "receivers:\n  profiling: {}\n");
}

TEST_F(PagesTest, TellsNothingOfTheHostWhereDebugIsOff) {
  settings_.debug = false;
  for (const char* path : {"/debug", "/debug/", "/debug/config", "/debug/processes", "/debug/x"}) {
    const HttpServerResponse response = Get(path);
    EXPECT_EQ(response.status, 403) << path;
    EXPECT_THAT(response.body, HasSubstr("loopback")) << path;
    EXPECT_THAT(response.body, Not(HasSubstr("shop"))) << path;
  }
  EXPECT_EQ(Get("/readyz").status, 200);
  EXPECT_EQ(Get("/metrics").status, 200);
}

TEST_F(PagesTest, HasNothingToShowOfAnAgentThatDoesNothing) {
  source_.summary = {};
  source_.processes.clear();
  source_.tables = {};
  source_.queues.clear();
  source_.governor = {};
  for (const char* path : {"/debug", "/debug/processes", "/debug/tables", "/debug/queue", "/debug/governor"}) {
    EXPECT_EQ(Get(path).status, 200) << path;
    EXPECT_TRUE(GetJson(path).is_object()) << path;
  }
  EXPECT_THAT(Get("/debug").body, HasSubstr("never"));
}

TEST(AgoText, GetsCoarserWithAge) {
  EXPECT_EQ(AgoText(kNow - absl::Seconds(59), kNow), "59s ago");
  EXPECT_EQ(AgoText(kNow - absl::Seconds(3599), kNow), "59m 59s ago");
  EXPECT_EQ(AgoText(kNow - absl::Hours(23), kNow), "23h 0m ago");
  EXPECT_EQ(AgoText(kNow + absl::Hours(1), kNow), "0s ago");
  EXPECT_EQ(AgoText(absl::InfinitePast(), kNow), "never");
}

}  // namespace
}  // namespace kiln::agent
