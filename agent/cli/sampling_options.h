// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kiln::agent {

// What `kiln record` and `kiln top` are asked alike: whom to sample, and how. Filled by the command line and checked by
// ValidateSampling (agent/cli/sampling_validation.h).
struct SamplingOptions {
  // Targets: pids, comm_regex and cgroups. Each kind that is given must match, inside a kind one match is enough.

  // Host pids (of processes, not threads) that existed at validation. Their children, also later ones, are included.
  std::vector<int> pids;
  // RE2 syntax, unanchored, matched against the comm (at most 15 bytes) of the thread and of its process. Empty = no
  // such filter.
  std::string comm_regex;
  // Absolute paths of cgroup v2 folders that existed at validation; their descendants are included.
  std::vector<std::string> cgroups;

  // Samples per second and CPU, 1 to 10,000. The kernel's own limit (perf_event_max_sample_rate) may be lower.
  int frequency_hz = 99;
  // Leave kernel frames out: a stack begins at the system call's user frame.
  bool no_kernel = false;

  // Most memory that unwind tables may take. Pages that were not used for longest go first.
  uint64_t unwind_memory_bytes = 64 << 20;
  // Folder where compiled unwind tables are kept from one recording to the next; empty = the usual one, "none" =
  // nowhere.
  std::string unwind_cache;

  // Read debug information: files, lines, inlined functions. Without it names alone.
  bool debug_info = true;
  // Folders with debug files, each laid out like /usr/lib/debug; existed at validation.
  std::vector<std::string> debug_folders;
  // Folder that keeps what was read of debug information; empty = the usual one, "none" = nowhere.
  std::string debug_info_cache;
  // Most memory of the process that reads debug information.
  uint64_t debug_info_memory_bytes = uint64_t{512} << 20;
  // Servers of debug files; empty = none is asked.
  std::vector<std::string> debuginfod_urls;

  bool has_target() const { return !pids.empty() || !comm_regex.empty() || !cgroups.empty(); }
};

}  // namespace kiln::agent
