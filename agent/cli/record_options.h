// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <string>
#include <vector>

namespace kiln::agent {

// What `kiln record` was asked to do. Filled by the command line and checked by ValidateRecordOptions
// (agent/cli/record_validation.h) before anything runs, so that the recorder may rely on every line below.
struct RecordOptions {
  // Targets. Exactly one of these holds after validation: `all`; pids, comm_regex and cgroups, of which each kind that
  // is given must match while inside a kind one match is enough; or `command` alone. `all` together with `command`
  // records the whole host while the command runs.

  // Host pids (of processes, not threads) that existed at validation. Their children, also later ones, are included.
  std::vector<int> pids;
  // RE2 syntax, unanchored, matched against the comm (at most 15 bytes) of the thread and of its process. Empty = no
  // such filter.
  std::string comm_regex;
  // Absolute paths of cgroup v2 folders that existed at validation; their descendants are included.
  std::vector<std::string> cgroups;
  // Every thread on the host. Set by validation when no other target is given.
  bool all = false;
  // Program and arguments to start and record with all its children; empty = none. Recording ends when it ends.
  std::vector<std::string> command;

  // Samples per second and CPU, 1 to 10,000. The kernel's own limit (perf_event_max_sample_rate) may be lower.
  int frequency_hz = 99;
  // "cpu-clock" (a timer, works everywhere) or "cycles" (needs a PMU).
  std::string event = "cpu-clock";
  // How long to record, above zero; none = until Ctrl-C or the end of `command`. With a command: whichever is first.
  std::optional<absl::Duration> duration;
  // Leave kernel frames out: a stack begins at the system call's user frame.
  bool no_kernel = false;

  // Files to write, at least one after validation, all different; the suffix names the format (profile_files.h). Each
  // could be created at validation.
  std::vector<std::string> outputs;

  // Most memory that unwind tables may take. Pages that were not used for longest go first.
  uint64_t unwind_memory_bytes = 64 << 20;
  // Folder where compiled unwind tables are kept from one recording to the next; empty = the usual one, "none" =
  // nowhere.
  std::string unwind_cache;

  // Where to write what the recording cost, as JSON (agent/record/statistics.h); empty = nowhere.
  std::string stats_file;

  // 0 = warnings and errors only, 1 = -v, 2 = -vv. Logging is already set to it.
  int verbose = 0;
};

}  // namespace kiln::agent
