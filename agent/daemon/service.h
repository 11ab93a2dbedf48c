// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "agent/config/diff.h"
#include "agent/config/load.h"
#include "agent/daemon/exports.h"
#include "agent/daemon/profile_source.h"
#include "agent/govern/governor.h"
#include "agent/telemetry/cgroup_limits.h"
#include "agent/telemetry/heartbeat.h"
#include "agent/telemetry/logging.h"
#include "agent/telemetry/pages.h"
#include "agent/telemetry/process_metrics.h"
#include "base/metrics.h"
#include "base/net/http_server.h"

namespace kiln::agent {

LogFormat LogFormatOf(const config::TelemetryConfig& telemetry);

// All parts of a running agent, tied together: what the configuration asks for, the governor between what is used and
// how sampling goes on, the pages. It knows nothing of signals and files.
//
// Start, Reload, Tick and Stop on one thread; the pages ask on the server's.
class Service : public StatusSource {
 public:
  // `log` must outlive the object.
  Service(config::LoadResult loaded, AgentLog& log);
  ~Service() override;

  // Errors: what can't be started, by the key that asked for it.
  Status Start();
  // Makes the difference between the configuration in force and `loaded`. On an error, which is logged and shown, the
  // old one stays.
  Status Reload(config::LoadResult loaded);
  // A configuration that could not be read: what is in force stays. `errors` as of RenderErrors.
  void NoteFailedReload(const std::string& errors);
  // Once a second.
  void Tick();
  // Ends sampling, sends what is left, for `grace` at most. Idempotent.
  void Stop(absl::Duration grace);

  // For `systemctl status`.
  std::string OneLine();
  // What the last reload changed.
  std::string LastReload();
  // Where the pages are.
  std::string address() const { return server_ == nullptr ? "" : server_->address(); }

 private:
  // StatusSource, on the server's thread:
  AgentSummary Summary() override;
  std::vector<ProcessRow> Processes() override;
  TablesStatus Tables() override;
  std::vector<QueueRow> Queues() override { return exports_.QueueRows(); }
  GovernorStatus Governor() override;
  std::string EffectiveConfig() override;

  void StartDebuginfod(const config::AgentConfig& config);
  Status StartSource(const config::AgentConfig& config);
  void StopSource();
  Status StartServer(const config::TelemetryConfig& telemetry);
  void StopServer();
  // On an error a part has been changed: the caller changes it back.
  Status Change(const config::AgentConfig& from, const config::AgentConfig& to);
  Status ChangeSource(const config::AgentConfig& from, const config::AgentConfig& to, const config::ConfigDiff& diff);
  GovernorLimits LimitsOf(const config::LimitsConfig& limits);
  void Govern();
  void NoteReload(bool ok, std::string message);
  void RegisterMetrics();

  AgentLog& log_;
  MetricRegistry metrics_;
  pipeline::SystemClock clock_;
  const absl::Time started_ = absl::Now();
  ProcessMetrics process_metrics_;
  Heartbeat heartbeat_;
  Exports exports_;
  std::unique_ptr<kiln::agent::Governor> governor_;
  SessionStatus counted_;                               // by sources that have ended
  std::unique_ptr<symbolizer::Debuginfod> debuginfod_;  // nullptr = no server is asked
  std::unique_ptr<ProfileSource> source_;               // made under mutex_; nullptr = no pipeline has a profiler
  std::unique_ptr<Pages> pages_;
  std::unique_ptr<HttpServer> server_;
  bool stopped_ = false;
  uint64_t next_resources_ns_ = 0;
  std::set<std::string> told_notes_;  // ProfileSource::naming_notes that are in the log
  std::atomic<Pages*> served_pages_ = nullptr;

  std::mutex mutex_;  // of what the pages read too:
  config::LoadResult loaded_;
  ReloadStatus reload_;
  GovernorStatus governor_status_;
  std::vector<std::string> warnings_;
  uint64_t governor_steps_ = 0;
  Detail governor_detail_ = Detail::kFull;
  bool stopping_ = false;
  std::vector<MetricRegistry::Registration> registrations_;
};

}  // namespace kiln::agent
