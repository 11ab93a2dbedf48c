// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/address.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/status.h"

namespace kiln::agent {

// The memory of a live process, as it is at the moment of each read. Thread-safe.
class ProcessMemory {
 public:
  // Needs what ptrace(2) asks of a reader (PTRACE_MODE_ATTACH). kNotFound: no such process; kPermissionDenied.
  static StatusOr<ProcessMemory> Open(Pid pid, const std::string& proc_root = "/proc");

  // Fills `out` with what is at `address`. kOutOfRange if not all of it is mapped; kNotFound if the process has ended,
  // or become another program.
  Status Read(ProcessAddress address, std::span<std::byte> out) const;

 private:
  explicit ProcessMemory(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace kiln::agent
