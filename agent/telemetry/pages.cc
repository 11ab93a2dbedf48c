// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/pages.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/telemetry/debug_pages.h"
#include "agent/telemetry/text.h"

namespace kiln::agent {
namespace {

constexpr const char* kJson = "application/json";
constexpr const char* kHtml = "text/html; charset=utf-8";

constexpr std::string_view kPages =
    "/metrics\n/healthz\n/readyz\n/debug\n/debug/config\n/debug/processes\n/debug/tables\n/debug/queue\n"
    "/debug/governor\n";

HttpServerResponse Text(std::string body, int status = 200) { return {.status = status, .body = std::move(body)}; }
HttpServerResponse Json(std::string body, int status = 200) {
  return {.status = status, .content_type = kJson, .body = std::move(body)};
}

std::string JsonText(const nlohmann::ordered_json& document) {
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string DurationText(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
}

// What a heartbeat of this age says; "" = the loop turns.
std::string StaleSentence(absl::Duration age, absl::Duration limit) {
  if (age <= limit) return "";
  if (age == absl::InfiniteDuration()) return "the main loop has not begun to turn";
  return fmt::format("the main loop has not turned for {}", DurationText(age));
}

std::string NotReadySentence(const ExporterStatus& exporter, bool within_grace) {
  using Last = ExporterStatus::Last;
  const std::string message = exporter.message.empty() ? "" : ": " + exporter.message;
  switch (exporter.last) {
    case Last::kAccepted: return "";
    case Last::kRetrying: return fmt::format("exporter {} could not send and will try again{}", exporter.id, message);
    case Last::kRefused: return fmt::format("what exporter {} sent last was refused{}", exporter.id, message);
    case Last::kNone: break;
  }
  if (exporter.handed_over == 0 || within_grace) return "";
  return fmt::format("exporter {} has not got an answer to its first request yet{}", exporter.id, message);
}

}  // namespace

std::vector<std::string> ReasonsNotReady(const AgentSummary& summary, absl::Duration heartbeat_age, absl::Time now,
                                         const PagesSettings& settings) {
  std::vector<std::string> reasons;
  if (summary.stopping) reasons.emplace_back("the agent is stopping");
  if (std::string stale = StaleSentence(heartbeat_age, settings.stale_after); !stale.empty()) {
    reasons.push_back(std::move(stale));
  }
  if (summary.sampling.wanted && !summary.sampling.attached) {
    reasons.push_back("BPF is not attached" + (summary.sampling.reason.empty() ? "" : ": " + summary.sampling.reason));
  }
  const bool within_grace = now - summary.started < settings.ready_grace;
  for (const ExporterStatus& exporter : summary.exporters) {
    if (std::string why = NotReadySentence(exporter, within_grace); !why.empty()) reasons.push_back(std::move(why));
  }
  return reasons;
}

Pages::Pages(PagesSettings settings, const MetricRegistry& registry, const Heartbeat& heartbeat, StatusSource& source,
             std::function<absl::Time()> now, std::function<uint64_t()> monotonic_ns)
    : settings_(settings),
      registry_(registry),
      heartbeat_(heartbeat),
      source_(source),
      now_(std::move(now)),
      monotonic_ns_(std::move(monotonic_ns)) {}

HttpServerResponse Pages::Handle(const HttpServerRequest& request) {
  const std::string& path = request.path;
  const bool json = request.QueryParameter("format") == "json";
  if (path == "/") return {.status = 302, .headers = {{"Location", "/debug"}}};
  if (path == "/metrics" && settings_.metrics) {
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = registry_.RenderPrometheus()};
  }
  if (path == "/healthz") return Health(json);
  if (path == "/readyz") return Ready(json);
  if (path == "/debug" || path.starts_with("/debug/")) {
    if (!settings_.debug) {
      return Text(
          "/debug tells what runs on this host: it is shown only where service.telemetry.metrics.address is a "
          "loopback address (kubectl port-forward and ssh -L reach that)\n",
          403);
    }
    return Debug(std::string_view(path).substr(6), json);
  }
  return Text("there is no such page; there are:\n" + std::string(kPages), 404);
}

HttpServerResponse Pages::Health(bool json) const {
  const std::string stale = StaleSentence(heartbeat_.Age(monotonic_ns_()), settings_.stale_after);
  const int status = stale.empty() ? 200 : 503;
  if (json) return Json(JsonText({{"healthy", stale.empty()}, {"reason", stale}}), status);
  return Text(stale.empty() ? "ok\n" : stale + "\n", status);
}

HttpServerResponse Pages::Ready(bool json) const {
  const std::vector<std::string> reasons =
      ReasonsNotReady(source_.Summary(), heartbeat_.Age(monotonic_ns_()), now_(), settings_);
  const int status = reasons.empty() ? 200 : 503;
  if (json) return Json(JsonText({{"ready", reasons.empty()}, {"reasons", reasons}}), status);
  if (reasons.empty()) return Text("ready\n");
  std::string text;
  for (const std::string& reason : reasons) text += VisibleText(RedactSecrets(reason)) + "\n";
  return Text(std::move(text), status);
}

HttpServerResponse Pages::Debug(std::string_view page, bool json) const {
  if (page.empty() || page == "/") {
    const AgentSummary summary = source_.Summary();
    const auto reasons = ReasonsNotReady(summary, heartbeat_.Age(monotonic_ns_()), now_(), settings_);
    if (json) return Json(DebugIndexJson(summary, reasons));
    return {.content_type = kHtml,
            .body = DebugIndexHtml(summary, reasons, now_()),
            .headers = {{"Content-Security-Policy",
                         "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"}}};
  }
  if (page == "/config") {
    if (json) return Json(JsonText(nlohmann::ordered_json::object({{"config", source_.EffectiveConfig()}})));
    return Text(source_.EffectiveConfig());
  }
  if (page == "/processes") {
    return json ? Json(ProcessesJson(source_.Processes())) : Text(ProcessesText(source_.Processes()));
  }
  if (page == "/tables") return json ? Json(TablesJson(source_.Tables())) : Text(TablesText(source_.Tables()));
  if (page == "/queue") {
    const std::vector<ExporterStatus> exporters = source_.Summary().exporters;
    return json ? Json(QueueJson(source_.Queues(), exporters)) : Text(QueueText(source_.Queues(), exporters, now_()));
  }
  if (page == "/governor") {
    return json ? Json(GovernorJson(source_.Governor())) : Text(GovernorText(source_.Governor()));
  }
  return Text("there is no such page; there are:\n" + std::string(kPages), 404);
}

}  // namespace kiln::agent
