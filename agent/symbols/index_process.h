// SPDX-License-Identifier: Apache-2.0
// Makes a line index in a process of its own. Debug information is hostile and large: what goes wrong with it, a
// parser's fault, a file that is cut while it is mapped, gigabytes of names, ends that process and not the agent.
//
// The child is this very program with the argument kIndexerArgument. It gets open files and nothing else: no
// environment, no signals, no privileges (all capabilities are dropped once the files are open), limits for memory,
// time and the size of the file, and it dies with its parent.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace kiln::agent {

inline constexpr const char* kIndexerArgument = "index-debug-info";

struct IndexJob {
  // Open files; -1 = none. They stay the caller's.
  int code = -1;
  int debug = -1;          // the file with the debug information; may be `code`
  int supplementary = -1;  // of .gnu_debugaltlink
  int package = -1;        // .dwp
  int output = -1;         // empty, for reading and writing
  // Where .dwo files are looked for: the object file's path, and folders (DebugPlaces).
  std::string path;
  std::vector<std::string> roots;
  std::vector<std::string> debug_folders;
  std::string scratch_folder;  // "" = in memory
  uint64_t memory_bytes = 0;   // of the child's own: what is mapped does not count
  bool idle = false;           // only when nothing else wants the CPU
};

// What a job took, however it ended.
struct IndexJobCosts {
  double cpu_seconds = 0;
  uint64_t peak_rss_bytes = 0;
};

// Says that this program calls RunIndexer for kIndexerArgument. Others, tests above all, must not be started as if they
// did: they would do whatever they do, and start more of themselves. Before any thread starts.
void AllowIndexJobs();

// Runs a job to its end. kFailedPrecondition without AllowIndexJobs. kCancelled if `cancelled`, asked ten times a
// second, says so; kResourceExhausted if the memory or `timeout` was not enough; kAborted if the child crashed; else
// what the child says (kNotFound: no debug information).
Status RunIndexJob(const IndexJob& job, std::chrono::seconds timeout, const std::function<bool()>& cancelled,
                   IndexJobCosts& costs);

// The child's main function; `arguments` are those behind kIndexerArgument. Returns the exit status.
int RunIndexer(const std::vector<std::string>& arguments);

}  // namespace kiln::agent
