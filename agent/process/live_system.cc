// SPDX-License-Identifier: Apache-2.0
#include "agent/process/live_system.h"

#include <unistd.h>

#include <filesystem>

#include "agent/process/proc_stat.h"
#include "base/clock.h"
#include "base/file.h"

namespace kiln::agent {

StatusOr<std::vector<Mapping>> LiveProcessSystem::ReadMaps(Pid pid) {
  auto mappings = kiln::agent::ReadMaps(pid);
  if (mappings.ok() && !mappings->empty()) return mappings;
  // A process whose first thread has ended has no maps under its own number, but under those of its other threads.
  std::error_code error;
  const std::filesystem::directory_iterator end;
  for (std::filesystem::directory_iterator task(fmt::format("/proc/{}/task", pid.value), error); !error && task != end;
       task.increment(error)) {
    auto of_thread = ReadMapsFile(task->path().string() + "/maps");
    if (of_thread.ok() && !of_thread->empty()) return of_thread;
  }
  return mappings;
}

bool LiveProcessSystem::IsAlive(Pid pid, uint64_t start_ns) {
  const auto text = ReadFile(fmt::format("/proc/{}/stat", pid.value), 65536);
  if (!text.ok()) return false;
  if (start_ns == 0) return true;
  const auto stat = ParseProcStat(*text);
  const uint64_t tick_ns = 1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  return stat && stat->start_ticks == start_ns / tick_ns;
}

uint64_t LiveProcessSystem::MonotonicNs() { return kiln::MonotonicNs(); }

bool LiveProcessSystem::ExecFollows(Pid pid, uint64_t time_ns) {
  return collector_ != nullptr && collector_->ExecFollows(pid, time_ns);
}

}  // namespace kiln::agent
