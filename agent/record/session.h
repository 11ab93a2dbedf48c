// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/aggregate/aggregator.h"
#include "agent/collect/collector.h"
#include "agent/process/live_system.h"
#include "agent/process/locator.h"
#include "agent/process/process_table.h"
#include "agent/unwind/sampler_tables.h"
#include "agent/unwind/unwinder.h"

namespace kiln::agent {

struct SessionOptions {
  SamplerOptions sampler;
  UnwinderOptions unwinder;
  std::vector<Pid> targets;  // with sampler.filter_pids: the roots of the process trees
  // The process that will exec the command: its samples before the exec are kiln's own work, and are left out.
  std::optional<Pid> command;
  // With sampler.filter_comm: true if a name is wanted. Called on the collector's thread.
  std::function<bool(const std::string& comm)> comm_matches;
};

// CPU time of the collector's thread by stage, in seconds.
struct StageSeconds {
  double collect = 0;    // drain and decode
  double aggregate = 0;  // everything that a delivery does, locating included
  double locate = 0;     // thereof for stacks seen for the first time
};

// One recording from start to stop: the collector's thread with everything it owns.
//
// Threads: all methods on the thread that made the session; Snapshot reads atomics that the collector's thread writes.
// The tables (aggregator() …) may be read after Stop only.
class Session {
 public:
  static StatusOr<std::unique_ptr<Session>> Start(const SessionOptions& options);
  ~Session();

  struct Progress {
    int64_t samples = 0;
    int64_t complete = 0;
    int64_t lost = 0;
  };
  Progress Snapshot() const;

  // Ends sampling, takes in what is left, joins the thread. An error that stopped the collector early comes back here.
  // Idempotent.
  Status Stop();

  // Until Stop: sampling goes on. After Stop:
  const Aggregator& aggregator() const { return aggregator_; }
  const Locator& locator() const { return locator_; }
  ProcessTable& processes() { return processes_; }
  Collector& collector() { return *collector_; }
  const Unwinder& unwinder() const { return *unwinder_; }
  const StageSeconds& stages() const { return stages_; }
  const SamplerCounters& counters() const { return counters_; }  // as of Stop
  BpfRunStats run_stats() const { return run_stats_; }           // as of Stop
  uint64_t map_bytes() const { return map_bytes_; }
  int64_t samples_before_exec() const { return samples_before_exec_; }  // left out, see SessionOptions::command
  const std::vector<std::string>& notes() const { return collector_->sampler().notes(); }

 private:
  // The first samples of what runs already shall find its tables.
  void PrepareTables();
  explicit Session(const SessionOptions& options);
  void Run();
  bool JudgeComm(const ThreadIdentity& identity);

  // Aggregator behind a watch on its own costs, and the keeper of the targets.
  class Sink;

  SessionOptions options_;
  LiveProcessSystem system_;
  ProcessTable processes_;
  Locator locator_;
  Aggregator aggregator_;
  std::unique_ptr<Collector> collector_;
  // These two need the collector's sampler.
  std::unique_ptr<SamplerTables> kernel_tables_;
  std::unique_ptr<Unwinder> unwinder_;
  StageSeconds stages_;
  SamplerCounters counters_{};
  BpfRunStats run_stats_;
  uint64_t map_bytes_ = 0;
  int64_t samples_before_exec_ = 0;
  Status status_;

  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> samples_ = 0;
  std::atomic<int64_t> complete_ = 0;
  std::atomic<int64_t> lost_ = 0;
  std::thread thread_;
};

// Sum of the counters of kind LOSS.
int64_t LostSamples(const SamplerCounters& counters);

}  // namespace kiln::agent
