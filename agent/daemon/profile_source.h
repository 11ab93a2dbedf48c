// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/config.h"
#include "agent/config/diff.h"
#include "agent/daemon/process_identities.h"
#include "agent/flush/window_worker.h"
#include "agent/govern/governor.h"
#include "agent/session/session.h"
#include "agent/telemetry/status.h"
#include "base/metrics.h"
#include "pipeline/batch.h"
#include "profile/profile.h"

namespace kiln::agent {

// The receiver `profiling`: a session whose windows are named, encoded as OTLP and handed to the pipeline.
//
// Govern, Apply and Stop on one thread; what reads is thread-safe.
class ProfileSource {
 public:
  struct Options {
    std::string id;  // of the receiver, for metrics
    config::ProfilingReceiver settings;
    uint64_t bpf_memory_bytes = 0;                 // service.limits; 0 = none
    size_t cache_bytes = 0;                        // of names and perf maps
    symbolizer::Debuginfod* debuginfod = nullptr;  // must live longer; nullptr = no server is asked
    SessionStatus before;                          // what earlier sources have counted: counters go on
  };
  // Both must outlive the object. Samples from now on.
  static StatusOr<std::unique_ptr<ProfileSource>> Start(Options options, pipeline::Consumer& consumer,
                                                        MetricRegistry& metrics);
  ~ProfileSource();

  // Other settings, where `change` says what is different. What the kernel side was loaded with (filters, kernel
  // stacks, table memory) makes a new session, which begins when the old one's last window is on its way; all else
  // keeps it. On an error all is as it was.
  Status Apply(const config::ProfilingReceiver& settings, const config::ReceiverChange& change);
  // How fast and with how much detail, from soon on.
  void Govern(const GovernorDecision& decision);
  // Takes in what is left and hands it on. Idempotent.
  void Stop();

  const std::string& id() const { return options_.id; }
  SessionStatus status() const;
  // Of the last window, the busiest first; at most 500.
  std::vector<ProcessRow> Processes() const;
  double last_complete_share() const;
  // Of debug information: what was read, and what could not be.
  LineIndexes::Status index_status() const;
  // Time in the kernel on behalf of the samples of all sessions so far.
  uint64_t bpf_ns() const;
  const std::vector<std::string>& notes() const { return notes_; }
  // What kept names away in the last window (Namer::notes).
  std::vector<std::string> naming_notes() const;

 private:
  ProfileSource(Options options, pipeline::Consumer& consumer, MetricRegistry& metrics);
  SessionOptions SessionOptionsFor(const config::ProfilingReceiver& settings) const;
  StatusOr<std::unique_ptr<Session>> OpenSession(const config::ProfilingReceiver& settings);
  Status Restart(const config::ProfilingReceiver& settings);
  void EndSession();
  std::shared_ptr<LineIndexes> MakeIndexes(const config::ProfilingReceiver& settings) const;
  void RegisterMetrics();
  void SetWindow();
  // On the worker's thread.
  void OnWindow(const Window& window, Namer& namer);
  void HandOver(const profile::Profile& profile);
  void NoteProcesses(const Window& window);

  Options options_;
  pipeline::Consumer& consumer_;
  MetricRegistry& metrics_;
  Counter& windows_;
  Counter& window_samples_;
  Counter& accepted_items_;
  Counter& refused_items_;
  Counter& refused_samples_;
  std::vector<std::string> notes_;
  GovernorDecision governed_;
  std::unique_ptr<ProcessIdentities> identities_;
  std::unique_ptr<WindowWorker> worker_;

  mutable std::mutex mutex_;
  std::unique_ptr<Session> session_;       // replaced under mutex_
  SessionStatus before_;                   // sums of the sessions that have ended; under mutex_
  std::vector<ProcessRow> processes_;      // under mutex_
  std::shared_ptr<LineIndexes> indexes_;   // replaced under mutex_
  double complete_share_ = 0;              // under mutex_
  std::vector<std::string> naming_notes_;  // under mutex_
  std::atomic<bool> thread_name_;
  std::atomic<bool> thread_id_;
  std::vector<MetricRegistry::Registration> registrations_;
};

}  // namespace kiln::agent
