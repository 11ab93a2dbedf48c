// SPDX-License-Identifier: Apache-2.0
#include "agent/context/process_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

namespace kiln::agent {

StatusOr<ProcessMemory> ProcessMemory::Open(Pid pid, const std::string& proc_root) {
  const std::string path = fmt::format("{}/{}/mem", proc_root, pid.value);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return ErrnoError(errno, "cannot open {}", path);
  return ProcessMemory(std::move(fd));
}

Status ProcessMemory::Read(ProcessAddress address, std::span<std::byte> out) const {
  uint64_t at = address.value();
  while (!out.empty()) {
    if (at > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) break;
    const ssize_t got = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EIO && errno != EFAULT) return ErrnoError(errno, "memory of a process");
    // Reads of nothing: the memory of that program is gone.
    if (got == 0) return Error(absl::StatusCode::kNotFound, "the process has ended, or become another program");
    if (got < 0) break;
    at += static_cast<uint64_t>(got);
    out = out.subspan(static_cast<size_t>(got));
  }
  if (out.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kOutOfRange, "nothing is mapped at {:#x}", at);
}

}  // namespace kiln::agent
