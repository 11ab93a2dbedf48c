// SPDX-License-Identifier: Apache-2.0
// How much CPU time and memory the agent's own cgroup leaves it: what a container's limits are to the programs in it.
// Source: Documentation/admin-guide/cgroup-v2.rst (cpu.max, memory.max), scheduler/sched-bwc.rst and
// cgroup-v1/memory.rst.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kiln::agent {

struct CgroupLimits {
  std::optional<double> cpus;            // quota per period: 0.5 = half a CPU; nullopt = no limit
  std::optional<uint64_t> memory_bytes;  // likewise
};

// The smallest limits from the cgroup of this process up to the root of what is mounted here, of cgroup v2 or of v1's
// controllers, by <root>/proc/self/{cgroup,mountinfo} and the mounts that they name below `root` ("" = the machine's
// own). What can't be read limits nothing.
CgroupLimits ReadCgroupLimits(const std::string& root = "");

// How many threads that wait more than they work are worth having: four per CPU of a limit, at least one; 1000 without.
int MaxWaitingWorkers(const CgroupLimits& limits);

struct AvailableResources {
  double cpus;            // ≥ 0.01
  uint64_t memory_bytes;  // ≥ 1
};
// What the machine has (CPUs this process may run on, memory) within `limits`.
AvailableResources Available(const CgroupLimits& limits, int host_cpus, uint64_t host_memory_bytes);
// The same for this process on this machine, now. Cheap enough to be asked once a minute: limits change under way.
AvailableResources AvailableHere();

// The parts that read text, for tests and fuzzing.

// Where a hierarchy is mounted, and which of its folders the mount shows.
struct CgroupMount {
  std::string mount_point;
  std::string root;
};
// The first mount of cgroup2 (`controller` empty), or of cgroup with this controller, in mountinfo (proc(5)).
std::optional<CgroupMount> FindCgroupMount(std::string_view mountinfo, std::string_view controller);
// The path of this process in that hierarchy, from /proc/self/cgroup (cgroups(7)).
std::optional<std::string> FindCgroupPath(std::string_view cgroup, std::string_view controller);
// "50000 100000" → 0.5; "max 100000" and what can't be → nullopt.
std::optional<double> ParseCpuMax(std::string_view text);

}  // namespace kiln::agent
