// SPDX-License-Identifier: Apache-2.0
// What a load says about itself when it ends: one line of JSON on standard output, which a test compares with what the
// profiler saw. The line starts with {"program": so that it is found among other output.
//
//   {"program":"shares","pid":17,"on_cpu_ns":…,"functions":{"seventy":…,"thirty":…}}
//
// `on_cpu_ns` is the CPU time of the whole process, all threads and start-up included; `functions` is the CPU time that
// was measured inside each. Loads of several processes or threads add "processes" or "threads", see Truth.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tests/programs/burn.h"

namespace kiln::programs {

// Builds the line. Text is written as it is: names here need no escaping. Not thread-safe.
class Truth {
 public:
  explicit Truth(std::string_view program);

  Truth& Number(std::string_view key, int64_t value);
  Truth& Text(std::string_view key, std::string_view value);
  // "key": {"<name>": ns, …}
  Truth& Parts(std::string_view key, std::span<const Part> parts);
  // "processes" or "threads": a list of objects, each {"id":…, "name":"…", "on_cpu_ns":…}, in the order of the calls.
  Truth& Process(pid_t pid, std::string_view function, int64_t on_cpu_ns);
  Truth& Thread(pid_t tid, std::string_view name, int64_t on_cpu_ns);

  // Writes the line in one piece.
  void Print() const;

 private:
  std::string fields_;
  std::string processes_;
  std::string threads_;
};

// Ends the program with "<what>: <errno text>" and status 1.
[[noreturn]] void Die(const std::string& what);

}  // namespace kiln::programs
