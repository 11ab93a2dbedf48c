// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "base/status.h"

namespace kiln::agent {

struct ProcessFacts {
  Pid pid;
  std::string name;              // comm; bytes that the process chose
  Pid namespaced_pid;            // as the process sees itself; equal to `pid` in kiln's own pid namespace
  uint32_t mount_namespace = 0;  // inode of ns/mnt; 0 = not known
  bool other_mount_namespace = false;
};

// What `pid` is, if it is a process with user stacks that kiln can walk. Each error is a sentence for a user:
//   kNotFound            no such process, or a thread of one
//   kFailedPrecondition  a kernel thread, a zombie, a 32-bit program
//   kPermissionDenied    its memory map may not be read
// `proc_root` is /proc, but for tests.
StatusOr<ProcessFacts> ReadProcessFacts(Pid pid, const std::string& proc_root = "/proc");

}  // namespace kiln::agent
