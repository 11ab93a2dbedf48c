// SPDX-License-Identifier: Apache-2.0
#include "exporters/stream_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "base/clock.h"

namespace kiln::exporters {
namespace {

// A pipe that poll calls writable takes this much without blocking. The descriptor itself must not be made
// non-blocking: it is shared with everybody else who holds our standard output.
constexpr size_t kChunk = PIPE_BUF;

int Standard(const std::string& path) { return path == "/dev/stdout" ? 1 : path == "/dev/stderr" ? 2 : -1; }

}  // namespace

bool StreamOutput::IsStream(const std::string& path) {
  if (Standard(path) >= 0) return true;
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

StatusOr<StreamOutput> StreamOutput::Open(const std::string& path) {
  UniqueFd fd;
  if (const int standard = Standard(path); standard >= 0) {
    fd = UniqueFd(::fcntl(standard, F_DUPFD_CLOEXEC, 3));
  } else {
    fd = UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  }
  if (!fd.valid()) {
    if (errno == ENXIO) return Error(absl::StatusCode::kUnavailable, "cannot open {}: nobody reads from it", path);
    return ErrnoError(errno, "cannot open {}", path);
  }
  UniqueFd cancelled(::eventfd(0, EFD_CLOEXEC));
  if (!cancelled.valid()) return ErrnoError(errno, "cannot open {}", path);
  return StreamOutput(path, std::move(fd), std::move(cancelled));
}

Status StreamOutput::Write(std::string_view record, absl::Duration timeout, bool& cut) {
  cut = false;
  size_t done = 0;
  const auto fail = [&](Status status) {
    cut = done > 0;
    return status;
  };
  const absl::Time deadline = absl::FromUnixNanos(static_cast<int64_t>(MonotonicNs())) + timeout;
  while (done < record.size()) {
    const absl::Duration left = deadline - absl::FromUnixNanos(static_cast<int64_t>(MonotonicNs()));
    const int wait = static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(left), 0, INT_MAX));
    pollfd polled[2] = {{.fd = fd_.get(), .events = POLLOUT, .revents = 0},
                        {.fd = cancelled_.get(), .events = POLLIN, .revents = 0}};
    const int ready = ::poll(polled, 2, wait);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail(ErrnoError(errno, "cannot write to {}", path_));
    if (polled[1].revents != 0) {
      return fail(Error(absl::StatusCode::kCancelled, "cannot write to {}: kiln is stopping", path_));
    }
    if (ready == 0) {
      return fail(Error(absl::StatusCode::kDeadlineExceeded, "cannot write to {}: its reader is too slow", path_));
    }
    const ssize_t count = ::write(fd_.get(), record.data() + done, std::min(kChunk, record.size() - done));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return fail(ErrnoError(errno, "cannot write to {}", path_));
    done += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

void StreamOutput::Cancel() { ::eventfd_write(cancelled_.get(), 1); }

}  // namespace kiln::exporters
