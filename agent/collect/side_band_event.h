// SPDX-License-Identifier: Apache-2.0
// What the kernel tells about processes beside the samples (perf side-band records, man perf_event_open).
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/address.h"
#include "base/ids.h"

namespace kiln::agent {

// PERF_RECORD_MMAP2 of executable memory. Device and inode are 0 for anonymous memory.
struct MmapEvent {
  Pid pid;
  ProcessAddress start;
  uint64_t length = 0;
  FileOffset offset;
  uint64_t device = 0;
  uint64_t inode = 0;
  std::string path;  // as the process sees it; "//anon", "[vdso]", "[heap]" … for what is no file
};
// PERF_RECORD_COMM. `exec`: the process runs another program from now on and has no mapping of the old one left.
struct CommEvent {
  Pid pid;
  Tid tid;
  std::string comm;
  bool exec = false;
};
// PERF_RECORD_FORK. A new thread if pid == parent_pid.
struct ForkEvent {
  Pid pid;
  Tid tid;
  Pid parent_pid;
};
// PERF_RECORD_EXIT of one thread.
struct ExitEvent {
  Pid pid;
  Tid tid;
};
// PERF_RECORD_KSYMBOL: kernel code that came (BPF program, trampoline) or went.
struct KernelSymbolEvent {
  ProcessAddress start;
  uint64_t length = 0;
  std::string name;
  bool is_bpf = false;
  bool removed = false;
};
// PERF_RECORD_LOST: so many side-band records did not fit.
struct LostEvent {
  uint64_t count = 0;
};

struct SideBandEvent {
  uint64_t time_ns = 0;  // CLOCK_MONOTONIC
  std::variant<MmapEvent, CommEvent, ForkEvent, ExitEvent, KernelSymbolEvent, LostEvent> event;
};

}  // namespace kiln::agent
