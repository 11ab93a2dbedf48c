// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/ids.h"
#include "base/status.h"

namespace kiln::agent {

// The program that `kiln record -- COMMAND` starts. It is forked first and held before its exec, so that it can be
// entered as a target and no instruction of it is missed. Thread-compatible.
class Command {
 public:
  // Forks a child that waits for Release. Call before any thread is started. Signals blocked by the caller since
  // `signal_mask` was taken are unblocked in the child again.
  static StatusOr<Command> Fork(const std::vector<std::string>& arguments, const sigset_t& signal_mask);
  Command(Command&& other) noexcept;
  Command& operator=(Command&&) = delete;
  // Kills and reaps a child that was not waited for.
  ~Command();

  Pid pid() const { return {pid_}; }

  // Lets the child exec. An error says why the program could not be started (kNotFound, kPermissionDenied …); the child
  // is gone then.
  Status Release();

  // The status as waitpid gives it once the child has ended; nullopt while it runs. Does not block.
  std::optional<int> TryWait();
  // Asks the child to end (SIGTERM) and waits until it has; one that has not after two seconds is killed.
  int Terminate();

 private:
  Command(pid_t pid, UniqueFd gate, UniqueFd error, std::string name)
      : pid_(pid), gate_(std::move(gate)), error_(std::move(error)), name_(std::move(name)) {}

  pid_t pid_;  // 0 once reaped
  UniqueFd gate_;
  UniqueFd error_;
  std::string name_;
};

// What a shell would report: the exit code, or 128 + the signal.
int ShellExitCode(int wait_status);

}  // namespace kiln::agent
