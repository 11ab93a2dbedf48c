// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace kiln::agent {

inline constexpr uint64_t kKernelThreadFlag = 0x00200000;  // PF_KTHREAD

// Of a /proc/PID/stat text (proc_pid_stat(5)). Times in clock ticks.
struct ProcStat {
  char state;            // of the first thread
  Pid parent_pid;        // 0 = none, or outside of the pid namespace
  uint64_t flags;        // PF_… of the kernel's include/linux/sched.h
  uint64_t cpu_ticks;    // user and system time of the whole process
  uint64_t start_ticks;  // since boot
};

// nullopt if `text` is damaged. The name in field 2 may hold anything, so fields are counted from its last ')'.
std::optional<ProcStat> ParseProcStat(std::string_view text);

// The processes in `proc` (a /proc) that use CPU time, busiest first, at most `limit` of them: those that run or wait
// for a CPU now, and those that ran for a fiftieth of their life up to `boottime_ns` (CLOCK_BOOTTIME).
std::vector<Pid> BusyProcesses(const std::string& proc, uint64_t boottime_ns, size_t limit);

}  // namespace kiln::agent
