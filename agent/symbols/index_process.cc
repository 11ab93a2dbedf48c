// SPDX-License-Identifier: Apache-2.0
#include "agent/symbols/index_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/symbols/index_protocol.h"
#include "base/clock.h"
#include "base/fd.h"

namespace kiln::agent {
namespace {

constexpr size_t kMaxMessageBytes = 4096;

bool index_jobs_are_allowed = false;

// The child's files get the numbers from kFirstIndexerFd on. They are moved out of the way first: one's number may be
// another one's place.
class SpawnFiles {
 public:
  SpawnFiles() { ::posix_spawn_file_actions_init(&actions_); }
  ~SpawnFiles() { ::posix_spawn_file_actions_destroy(&actions_); }
  SpawnFiles(const SpawnFiles&) = delete;
  SpawnFiles& operator=(const SpawnFiles&) = delete;

  // -1 stays closed.
  Status Add(int fd, int number) {
    if (fd < 0) return absl::OkStatus();
    UniqueFd moved(::fcntl(fd, F_DUPFD_CLOEXEC, 64));
    if (!moved.valid()) return ErrnoError(errno, "cannot hand a file to the indexer");
    ::posix_spawn_file_actions_adddup2(&actions_, moved.get(), number);
    moved_.push_back(std::move(moved));
    return absl::OkStatus();
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
  std::vector<UniqueFd> moved_;
};

StatusOr<pid_t> Spawn(const IndexJob& job, int messages) {
  SpawnFiles files;
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  KILN_RETURN_IF_ERROR(files.Add(null.get(), STDIN_FILENO));
  KILN_RETURN_IF_ERROR(files.Add(null.get(), STDOUT_FILENO));
  KILN_RETURN_IF_ERROR(files.Add(messages, STDERR_FILENO));
  const std::array<int, kIndexerFiles> in_order = {job.code, job.debug, job.supplementary, job.package, job.output};
  for (int i = 0; i < kIndexerFiles; ++i) KILN_RETURN_IF_ERROR(files.Add(in_order[i], kFirstIndexerFd + i));

  std::vector<std::string> arguments = EncodeIndexJob(job);
  arguments.insert(arguments.begin(), {"kiln", kIndexerArgument});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  char* environment[] = {nullptr};

  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);  // Ctrl-C on the terminal is the parent's to answer
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, "/proc/self/exe", files.get(), &attributes, argv.data(), environment);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return ErrnoError(error, "cannot start the indexer");
  return child;
}

// The child's last words.
std::string ReadMessage(int fd) {
  std::string text(kMaxMessageBytes, '\0');
  const ssize_t got = ::read(fd, text.data(), text.size());
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

Status StatusOf(int wait_status, const std::string& message) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    if (signal == SIGXCPU) return Error(absl::StatusCode::kResourceExhausted, "it took too long");
    if (signal == SIGXFSZ) return Error(absl::StatusCode::kResourceExhausted, "the index is too large");
    return Error(absl::StatusCode::kAborted, "the indexer was ended by signal {}", signal);
  }
  const int code = WEXITSTATUS(wait_status);
  if (code == 0) return absl::OkStatus();
  const bool known = code > 0 && code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  return Status(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kAborted,
                message.empty() ? fmt::format("the indexer ended with status {}", code) : message);
}

}  // namespace

void AllowIndexJobs() { index_jobs_are_allowed = true; }

Status RunIndexJob(const IndexJob& job, std::chrono::seconds timeout, const std::function<bool()>& cancelled,
                   IndexJobCosts& costs) {
  if (!index_jobs_are_allowed) {
    return Error(absl::StatusCode::kFailedPrecondition, "this program cannot make line indexes");
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoError(errno, "cannot make a pipe");
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  KILN_ASSIGN_OR_RETURN(const pid_t child, Spawn(job, writing.get()));
  writing.Reset();

  const uint64_t deadline = MonotonicNs() + static_cast<uint64_t>(timeout.count()) * 1'000'000'000;
  Status ended_by_us;
  std::string message;
  for (;;) {
    // The pipe ends with the child, however it ends.
    pollfd waiting{.fd = reading.get(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, 100);
    if ((waiting.revents & POLLIN) != 0) message += ReadMessage(reading.get());
    if ((waiting.revents & (POLLHUP | POLLERR)) != 0) break;
    if (cancelled && cancelled()) ended_by_us = absl::CancelledError("not needed any more");
    if (MonotonicNs() > deadline) ended_by_us = Error(absl::StatusCode::kResourceExhausted, "it took too long");
    if (!ended_by_us.ok() || message.size() > kMaxMessageBytes) break;
  }
  if (!ended_by_us.ok()) ::kill(child, SIGKILL);
  int wait_status = 0;
  rusage usage{};
  while (::wait4(child, &wait_status, 0, &usage) < 0 && errno == EINTR) {
  }
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  costs = {.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime),
           .peak_rss_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024};
  return ended_by_us.ok() ? StatusOf(wait_status, message) : ended_by_us;
}

}  // namespace kiln::agent
