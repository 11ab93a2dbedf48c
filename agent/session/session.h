// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/aggregate/aggregator.h"
#include "agent/collect/collector.h"
#include "agent/process/live_system.h"
#include "agent/process/locator.h"
#include "agent/process/process_table.h"
#include "agent/session/losses.h"
#include "agent/session/window.h"
#include "agent/unwind/sampler_tables.h"
#include "agent/unwind/unwinder.h"

namespace kiln::agent {

// Takes the windows of a session as they come. Called on the collector's thread.
class WindowSink {
 public:
  virtual ~WindowSink() = default;
  // Whether a window can be taken now. If not, the window under way goes on until it can.
  virtual bool IsReady() = 0;
  virtual void OnWindow(std::unique_ptr<Window> window) = 0;
};

// Tells who a process is. Called on the collector's thread, once per image, with its first sample.
class IdentitySource {
 public:
  virtual ~IdentitySource() = default;
  // `thread` took the sample. `parent`: the image that it was forked from, if it runs the same program and that is
  // known still. The result is not nullptr.
  virtual std::shared_ptr<const identity::ProcessIdentity> Identify(const Process& process,
                                                                    const ThreadIdentity& thread,
                                                                    const Process* parent) = 0;
  // The same for a process that runs another program by now: without looking at it.
  virtual std::shared_ptr<const identity::ProcessIdentity> IdentifyByEvents(const Process& process,
                                                                            const ThreadIdentity& thread,
                                                                            const Process* parent) = 0;
  // Whether the process is to be left out.
  virtual bool IsUnwanted(const identity::ProcessIdentity& who) = 0;
};

struct SessionOptions {
  SamplerOptions sampler;
  UnwinderOptions unwinder;
  // Of all BPF maps together; what they leave is the most that unwinder.memory_bytes may be. 0 = no limit.
  uint64_t bpf_memory_bytes = 0;
  std::vector<Pid> targets;  // with sampler.filter_pids: the roots of the process trees
  // The process that will exec the command: its samples before the exec are kiln's own work, and are left out.
  std::optional<Pid> command;
  // With sampler.filter_comm: true if a name is wanted. Called on the collector's thread.
  std::function<bool(const std::string& comm)> comm_matches;
  bool exclude_self = false;             // leave kiln's own threads out
  uint64_t window_ns = 0;                // length of a window; 0 = one window for all
  WindowSink* windows = nullptr;         // takes them, also the last one; nullptr = TakeWindow
  IdentitySource* identities = nullptr;  // nullptr = nobody wants to know
};

// CPU time of the collector's thread by stage, in seconds.
struct StageSeconds {
  double collect = 0;    // drain and decode
  double aggregate = 0;  // everything that a delivery does, locating included
  double locate = 0;     // thereof for stacks seen for the first time
};

// What a session tells of itself while it runs, at most a second old.
struct SessionStatus {
  int64_t samples = 0;
  int64_t complete = 0;
  int64_t lost = 0;
  int64_t unwanted = 0;  // of processes that are to be left out
  int64_t own = 0;       // of kiln itself, with exclude_self
  int frequency_hz = 0;  // 0 = paused
  size_t processes = 0;  // images
  size_t object_files = 0;
  uint64_t map_bytes = 0;
  SamplerCounters counters{};
  SampleDecoder::Counts decode{};
  ProcessTable::Counts process_counts{};
  Unwinder::Counts unwind{};
  UnwindTables::Counts tables{};
  TableCompiler::Counts compiler{};
  uint64_t table_memory_bytes = 0;
  uint64_t table_budget_bytes = 0;
  uint64_t windows = 0;  // that were closed
  std::string error;     // that stopped following CPUs; "" = none

  // What was counted before counts too; what is now stays.
  void AddCountsOf(const SessionStatus& before);
};

// Sampling from start to stop: the collector's thread with everything it owns.
//
// Threads: all methods on the thread that made the session, but for those marked thread-safe. What is read of the
// collector's thread's tables may be read after Stop only.
class Session {
 public:
  // Open and Begin.
  static StatusOr<std::unique_ptr<Session>> Start(const SessionOptions& options);
  // Everything but sampling: what can be refused is refused here.
  static StatusOr<std::unique_ptr<Session>> Open(const SessionOptions& options);
  Status Begin();
  ~Session();

  struct Progress {
    int64_t samples = 0;
    int64_t complete = 0;
    int64_t lost = 0;
  };
  Progress Snapshot() const;     // thread-safe
  SessionStatus status() const;  // thread-safe

  // With SessionOptions::windows; thread-safe. The first and the last begin a new window, soon, for which they hold.
  void SetFrequency(int frequency_hz);  // 0 = pause
  void SetWindow(uint64_t window_ns);
  void AllowStackCopies(bool allowed);  // Sampler::AllowStackCopies
  void Reidentify();                    // asks who the processes are anew

  // Ends sampling, takes in what is left, joins the thread. An error that stopped the collector early comes back here.
  // Idempotent.
  Status Stop();

  // After Stop, without SessionOptions::windows: what was sampled since the start. Once.
  std::unique_ptr<Window> TakeWindow() { return std::move(last_window_); }

  // Until Stop: sampling goes on. After Stop:
  const Aggregator& aggregator() const { return aggregator_; }
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
  // Aggregator behind a watch on its own costs, and the keeper of the targets.
  class Sink;

  explicit Session(const SessionOptions& options);
  // The first samples of what runs already shall find its tables.
  void PrepareTables();
  bool JudgeComm(const ThreadIdentity& identity);
  // On the collector's thread:
  void Run();
  void FollowRequests(Sink& sink);
  void Publish();
  std::unique_ptr<Window> CloseWindow();
  void ForgetUnused();

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
  uint64_t next_map_bytes_ns_ = 0;
  int64_t samples_before_exec_ = 0;
  int64_t unwanted_samples_ = 0;
  int64_t own_samples_ = 0;
  Status status_;

  int frequency_hz_;  // 0 = paused
  int sampled_hz_;    // of the samples that may be waiting in a pause
  bool stack_copies_allowed_ = true;
  uint64_t window_start_ns_ = 0;
  uint64_t windows_ = 0;
  NamedCounts losses_;  // as the last window ended
  std::unique_ptr<Window> last_window_;

  std::atomic<int> wanted_frequency_hz_;
  std::atomic<uint64_t> window_ns_;
  std::atomic<bool> reidentify_ = false;
  std::atomic<bool> allow_stack_copies_ = true;
  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> samples_ = 0;
  std::atomic<int64_t> complete_ = 0;
  std::atomic<int64_t> lost_ = 0;
  mutable std::mutex status_mutex_;
  SessionStatus published_;  // under status_mutex_
  std::thread thread_;
};

}  // namespace kiln::agent
