// SPDX-License-Identifier: Apache-2.0
// What the agent knows of itself, as plain values for its pages. All texts may hold anything (names of processes come
// from whoever started them): the pages make them harmless.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace kiln::agent {

struct SamplingStatus {
  bool wanted = true;     // false: no pipeline has the receiver `profiling`
  bool attached = false;  // the BPF programs run on all CPUs that they should
  std::string reason{};   // why not attached, one sentence
  int cpus_sampled = 0;
  int cpus_online = 0;
  int frequency_hz = 0;  // in force, which may be below what the configuration says: see GovernorStatus
  int64_t samples = 0;   // since the start
  int64_t lost_samples = 0;
  double complete_share = 0;  // of the stacks of the last window, 0 … 1
};

// One exporter in one pipeline.
struct ExporterStatus {
  std::string id;        // "otlphttp/pyroscope"
  std::string endpoint;  // without user, password and query
  enum class Last : uint8_t {
    kNone,      // no attempt has ended yet
    kAccepted,  // the last one was taken (perhaps but for a part: see message)
    kRetrying,  // it failed and will be tried again
    kRefused,   // it failed for good: its data is lost and counted
  } last = Last::kNone;
  std::string message{};                            // of the last attempt: what the server or the system said
  absl::Time last_attempt = absl::InfinitePast();   // InfinitePast = never; of the end of the attempt
  absl::Time last_accepted = absl::InfinitePast();  // likewise
  int64_t handed_over = 0;                          // batches that this exporter was ever given
  int64_t sent_samples = 0;
  int64_t failed_samples = 0;
};

struct QueueRow {
  std::string exporter;
  int64_t size = 0;      // in `unit`
  int64_t capacity = 0;  // in `unit`; 0 = no limit
  std::string unit = "requests";
  int64_t bytes = 0;
  int64_t in_flight = 0;                       // attempts under way
  absl::Time oldest = absl::InfiniteFuture();  // when the oldest batch was made; InfiniteFuture = empty
  std::string storage{};                       // folder on disk, "" = memory
  int64_t dropped_samples = 0;                 // since the start, for whatever reason; by reason in /metrics
};

struct ProcessRow {
  int64_t pid = 0;
  std::string name;        // comm
  std::string executable;  // path as the process sees it; "" = unknown
  std::string service;     // service.name
  std::string container;   // id, "" = none
  std::string runtime;     // "docker", "containerd" …; "" = none
  int64_t samples = 0;     // of the last window
  double complete_share = 0;
  std::string note{};  // what limits its profiles, "" = nothing
};

// Unwind tables and what else is kept per file: a line each, in the order given.
struct TablesStatus {
  uint64_t memory_bytes = 0;  // of BPF tables in use
  uint64_t memory_limit_bytes = 0;
  uint64_t bpf_map_bytes = 0;  // of all maps
  struct File {
    std::string path;
    std::string build_id;
    uint64_t pages = 0;  // of 64 KiB of code, that are in the kernel
    uint64_t bytes = 0;
    std::string note{};  // why there is no table, "" = there is
  };
  std::vector<File> files;
  std::vector<std::pair<std::string, int64_t>> counters;  // by name, for reading only
};

struct GovernorStatus {
  double cpu_limit_percent = 0;  // of the whole machine; 0 = none
  double cpu_percent = 0;        // measured over the last interval: user, system and BPF
  uint64_t memory_limit_bytes = 0;
  uint64_t memory_bytes = 0;
  std::string level;                        // "full", "frequency 49 of 99 Hz", …
  absl::Time since = absl::InfinitePast();  // of the level
  struct Step {
    absl::Time time;
    std::string what;  // one sentence
  };
  std::vector<Step> steps;  // the last ones, oldest first
};

struct ReloadStatus {
  absl::Time last = absl::InfinitePast();  // of the last try, also the one at the start
  bool ok = true;
  std::string message{};  // what changed, or why the old configuration stays
  int64_t succeeded = 0;
  int64_t failed = 0;
};

struct AgentSummary {
  std::string version;
  std::string instance{};  // service.instance.id
  absl::Time started = absl::InfinitePast();
  bool stopping = false;
  SamplingStatus sampling;
  std::vector<ExporterStatus> exporters;
  ReloadStatus reload;
  std::vector<std::string> warnings;  // missing capabilities, hidden kernel symbols and the like
};

// Who answers for the pages. Thread-safe: called on the server's thread while the agent works. Each call gives a state
// that is consistent in itself, and waits for nothing long.
class StatusSource {
 public:
  virtual ~StatusSource() = default;
  virtual AgentSummary Summary() = 0;
  virtual std::vector<ProcessRow> Processes() = 0;
  virtual TablesStatus Tables() = 0;
  virtual std::vector<QueueRow> Queues() = 0;
  virtual GovernorStatus Governor() = 0;
  // The configuration in force as YAML, secrets already replaced.
  virtual std::string EffectiveConfig() = 0;
};

}  // namespace kiln::agent
