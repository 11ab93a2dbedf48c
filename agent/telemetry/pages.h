// SPDX-License-Identifier: Apache-2.0
// The pages of the agent, by which people and machines see how it is:
//
//   /metrics            Prometheus' text format
//   /healthz            200 while the main loop turns: a reason to restart the agent if not
//   /readyz             200 while it samples and its exports arrive; else 503 and a line per reason
//   /debug              an index for the browser; /debug/config, processes, tables, queue, governor as text
//   ?format=json        of every page but /metrics and /debug/config (which is YAML)
#pragma once

#include <absl/time/time.h>

#include <functional>
#include <string>
#include <vector>

#include "agent/telemetry/heartbeat.h"
#include "agent/telemetry/status.h"
#include "base/metrics.h"
#include "base/net/http_server.h"

namespace kiln::agent {

struct PagesSettings {
  bool metrics = true;  // false: /metrics is not found (level: none)
  // /debug tells what runs on the host: it is for this machine only, unless asked otherwise.
  bool debug = true;
  absl::Duration stale_after = absl::Seconds(30);  // a main loop that has not turned for so long hangs
  // So long after the start an exporter need not have had an attempt yet.
  absl::Duration ready_grace = absl::Minutes(2);
};

// Why the agent is not ready, a sentence each; empty = it is. Ready means:
// - the main loop turns, and the agent is not stopping;
// - BPF is attached, if a pipeline wants profiles;
// - the last export of each exporter was accepted. One that has not tried yet is fine as long as nothing was handed to
//   it, or the grace time is not over: nothing to export is no fault.
std::vector<std::string> ReasonsNotReady(const AgentSummary& summary, absl::Duration heartbeat_age, absl::Time now,
                                         const PagesSettings& settings);

// Answers requests; for HttpServer::Start as its handler. `registry`, `heartbeat` and `source` must outlive it. Handle
// on one thread at a time.
class Pages {
 public:
  // `now` is the wall clock, `monotonic_ns` that of the heartbeat.
  Pages(PagesSettings settings, const MetricRegistry& registry, const Heartbeat& heartbeat, StatusSource& source,
        std::function<absl::Time()> now, std::function<uint64_t()> monotonic_ns);

  HttpServerResponse Handle(const HttpServerRequest& request);

 private:
  HttpServerResponse Health(bool json) const;
  HttpServerResponse Ready(bool json) const;
  HttpServerResponse Debug(std::string_view page, bool json) const;

  const PagesSettings settings_;
  const MetricRegistry& registry_;
  const Heartbeat& heartbeat_;
  StatusSource& source_;
  const std::function<absl::Time()> now_;
  const std::function<uint64_t()> monotonic_ns_;
};

}  // namespace kiln::agent
