// SPDX-License-Identifier: Apache-2.0
// What /proc tells of one process: who it is, not what it does.
//
// All is read through one descriptor of /proc/PID, and only if the start time is the one that is expected: so a pid
// that is given to another process in between cannot mix two of them. What a process that ends meanwhile still told is
// kept; what is missing is counted (IdentityMetrics). An exec in between can mix two programs: the caller checks
// afterwards that none has followed (ProcessSystem::ExecFollows), as it does for memory maps.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/identity/cgroup_path.h"
#include "agent/identity/identity_metrics.h"
#include "agent/identity/redaction.h"
#include "agent/identity/resource_attributes.h"
#include "agent/identity/user_names.h"
#include "base/fd.h"
#include "base/ids.h"

namespace kiln::agent::identity {

// What samples and side-band events told of a process. 0 or empty = not known, but for the pid.
struct KnownProcess {
  Pid pid;
  Pid parent_pid;
  Pid namespaced_pid;
  uint64_t start_ns = 0;  // CLOCK_BOOTTIME
  std::string comm;
};

// Texts are bytes as the process chose them, not yet valid UTF-8, unless noted. Empty or 0 = not known.
struct ProcessFacts {
  Pid pid;
  Pid parent_pid;
  Pid namespaced_pid;
  std::string comm;
  bool is_kernel_thread = false;
  std::string executable_path;   // in the process's own root; "/memfd:NAME" for code without a file
  std::string command_line;      // only if asked for; redacted, valid UTF-8
  Environment environment;       // of the names asked for
  std::string owner;             // user name or number
  int64_t creation_unix_ns = 0;  // wall clock
  CgroupFacts cgroup;            // completed by the mounts where the cgroup is hidden
  std::string container_name;
};

// "2026-11-22T08:34:34.853Z", always with milliseconds.
std::string Rfc3339(int64_t unix_ns);

// Not thread-safe. Costs some 30 µs per process (identity_bench.cc), twice that where mounts are read.
class ProcessFactsReader {
 public:
  struct Options {
    std::string proc_root = "/proc";
    std::string passwd_path = "/etc/passwd";          // the host's
    std::vector<std::string> environment_names;       // none = the environment is not read
    const Redactor* command_line_redactor = nullptr;  // nullptr = the command line is not read; must outlive this
    // Wall clock at boot, Unix nanoseconds. Default: CLOCK_REALTIME less CLOCK_BOOTTIME.
    std::function<int64_t()> boot_unix_ns;
  };

  // `metrics` must outlive this.
  ProcessFactsReader(Options options, IdentityMetrics& metrics);

  // The facts, and nullopt if the process is gone or its pid another's: nothing but `known` is known of it then.
  std::optional<ProcessFacts> Read(const KnownProcess& known);

  // What is known of a process without looking at it.
  ProcessFacts WithoutReading(const KnownProcess& known);

 private:
  // Reads the file `name` in `folder` into buffer_, `limit` bytes at most. nullopt (counted) if it can't be read; what
  // is longer is counted and cut, with `complete` = false.
  std::optional<std::string_view> ReadPart(int folder, const char* name, size_t limit, Part part,
                                           bool* complete = nullptr);
  std::optional<std::string> ReadLink(int folder, const char* name);
  // Of a process whose first thread has ended (it is a zombie then, without memory and files) the folder of another
  // thread; none if it has none.
  UniqueFd LivingThread(int folder);
  void CountFailure(Part part, int error_number);
  void ReadExecutable(int folder, ProcessFacts& facts);
  void ReadCommandLine(int folder, ProcessFacts& facts);
  void ReadMounts(int folder, ProcessFacts& facts);
  int64_t BootUnixNs();

  const Options options_;
  IdentityMetrics& metrics_;
  UserNames users_;
  std::string mount_namespace_, user_namespace_;  // kiln's own, as the links name them
  int64_t boot_unix_ns_ = 0;
  std::string buffer_;
  absl::flat_hash_map<std::string, std::string> container_names_;  // by id
};

}  // namespace kiln::agent::identity
