// SPDX-License-Identifier: Apache-2.0
#include "agent/record/command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "base/clock.h"

namespace kiln::agent {
namespace {

constexpr uint64_t kTerminationPatienceNs = 2'000'000'000;

// In the child: async-signal-safe calls only.
[[noreturn]] void RunChild(char* const* arguments, int gate, int error, const sigset_t& signal_mask) {
  char released = 0;
  if (::read(gate, &released, 1) != 1) ::_exit(127);  // the parent gave up
  ::sigprocmask(SIG_SETMASK, &signal_mask, nullptr);
  ::execvp(arguments[0], arguments);
  const int error_number = errno;
  [[maybe_unused]] const ssize_t written = ::write(error, &error_number, sizeof(error_number));
  ::_exit(127);
}

}  // namespace

StatusOr<Command> Command::Fork(const std::vector<std::string>& arguments, const sigset_t& signal_mask) {
  int gate[2], error[2];
  if (::pipe2(gate, O_CLOEXEC) != 0) return ErrnoError(errno, "cannot start {}", arguments[0]);
  UniqueFd gate_read(gate[0]), gate_write(gate[1]);
  if (::pipe2(error, O_CLOEXEC) != 0) return ErrnoError(errno, "cannot start {}", arguments[0]);
  UniqueFd error_read(error[0]), error_write(error[1]);
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);

  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoError(errno, "cannot start {}", arguments[0]);
  if (pid == 0) {
    ::close(gate_write.Release());  // else the child would hold its own gate open
    RunChild(pointers.data(), gate_read.get(), error_write.get(), signal_mask);
  }
  return Command(pid, std::move(gate_write), std::move(error_read), arguments[0]);
}

Command::Command(Command&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      gate_(std::move(other.gate_)),
      error_(std::move(other.error_)),
      name_(std::move(other.name_)) {}

Command::~Command() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Status Command::Release() {
  const char go = 1;
  if (::write(gate_.get(), &go, 1) != 1) return ErrnoError(errno, "cannot start {}", name_);
  gate_.Reset();
  // Closed by a successful exec, else it carries the errno.
  int error_number = 0;
  ssize_t count = 0;
  do {
    count = ::read(error_.get(), &error_number, sizeof(error_number));
  } while (count < 0 && errno == EINTR);
  error_.Reset();
  if (count == sizeof(error_number)) return ErrnoError(error_number, "cannot run {}", name_);
  return absl::OkStatus();
}

std::optional<int> Command::TryWait() {
  int status = 0;
  if (pid_ == 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = 0;
  return status;
}

int Command::Terminate() {
  int status = 0;
  if (pid_ == 0) return status;
  ::kill(pid_, SIGTERM);
  const uint64_t deadline_ns = MonotonicNs() + kTerminationPatienceNs;
  for (;;) {
    if (const auto ended = TryWait()) return *ended;
    if (MonotonicNs() > deadline_ns) break;
    const timespec nap{.tv_sec = 0, .tv_nsec = 10'000'000};
    ::nanosleep(&nap, nullptr);
  }
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return status;
}

int ShellExitCode(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace kiln::agent
