// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/privileges.h"

#include <charconv>
#include <string_view>
#include <vector>

namespace kiln::agent {
namespace {

// The inode of the first pid namespace, fixed in the kernel (PROC_PID_INIT_INO).
constexpr std::string_view kHostPidNamespace = "pid:[4026531836]";

struct Need {
  Capability capability;
  std::string_view name;
  bool essential;
  std::string_view without;
};

constexpr Need kNeeds[] = {
    {Capability::kBpf, "bpf", true, "no BPF program can be loaded"},
    {Capability::kPerfmon, "perfmon", true, "no process but one's own can be sampled"},
    {Capability::kSysPtrace, "sys_ptrace", false, "other users' programs stay without names"},
    {Capability::kDacReadSearch, "dac_read_search", false, "programs in unreadable folders stay without names"},
    {Capability::kCheckpointRestore, "checkpoint_restore", false, "deleted programs stay without names"},
    {Capability::kSyslog, "syslog", false, "kernel frames stay without names"},
    {Capability::kIpcLock, "ipc_lock", false, "the buffers for process events are limited by perf_event_mlock_kb"},
    {Capability::kSysResource, "sys_resource", false, "memory for BPF is limited on this kernel"},
};

// The value behind "<key>:" in /proc/self/status.
std::optional<std::string> StatusValue(System& system, std::string_view key) {
  const StatusOr<std::string> status = system.ReadText("/proc/self/status");
  if (!status.ok()) return std::nullopt;
  const std::string text = "\n" + *status;
  const std::string start = fmt::format("\n{}:", key);
  const size_t at = text.find(start);
  if (at == std::string::npos) return std::nullopt;
  const size_t from = text.find_first_not_of(" \t", at + start.size());
  if (from == std::string::npos) return std::nullopt;
  return text.substr(from, text.find('\n', from) - from);
}

std::optional<uint64_t> EffectiveCapabilities(System& system) {
  const auto text = StatusValue(system, "CapEff");
  if (!text) return std::nullopt;
  uint64_t bits = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), bits, 16);
  if (error != std::errc()) return std::nullopt;
  return bits;
}

}  // namespace

bool HasCapability(System& system, Capability capability) {
  const auto bits = EffectiveCapabilities(system);
  if (!bits) return false;
  const auto has = [&](Capability one) { return ((*bits >> static_cast<int>(one)) & 1) != 0; };
  const bool within_admin = capability == Capability::kBpf || capability == Capability::kPerfmon ||
                            capability == Capability::kSyslog || capability == Capability::kCheckpointRestore;
  return has(capability) || (within_admin && has(Capability::kSysAdmin));
}

std::pair<int, int> KernelVersion(System& system) {
  const std::string release = system.KernelRelease();
  int major = 0;
  int minor = 0;
  const char* end = release.data() + release.size();
  const auto first = std::from_chars(release.data(), end, major);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return {0, 0};
  const auto second = std::from_chars(first.ptr + 1, end, minor);
  return second.ec == std::errc() ? std::pair(major, minor) : std::pair(0, 0);
}

std::optional<long> ReadNumber(System& system, const std::string& path) {
  const StatusOr<std::string> text = system.ReadText(path);
  if (!text.ok()) return std::nullopt;
  long number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

Finding CheckCapabilities(System& system) {
  std::string missing;
  std::string all;
  std::string consequence;
  bool essential = false;
  for (const Need& need : kNeeds) {
    // Since 5.11 the memory of BPF maps is charged to the cgroup, not to RLIMIT_MEMLOCK.
    if (need.capability == Capability::kSysResource && KernelVersion(system) >= std::pair(5, 11)) continue;
    all += fmt::format("{}cap_{}", all.empty() ? "" : ",", need.name);
    if (HasCapability(system, need.capability)) continue;
    missing += fmt::format("{}cap_{}", missing.empty() ? "" : ", ", need.name);
    if (!consequence.empty() && essential) continue;
    consequence = need.without;
    essential = need.essential;
  }
  if (missing.empty()) return {.sentence = "all that are needed"};
  return {.health = essential ? Health::kFailed : Health::kLimited,
          .sentence = fmt::format("without {} {}", missing, consequence),
          .mend = fmt::format("sudo setcap {}+ep {}  # or run kiln by sudo", all, system.ProgramPath())};
}

Finding CheckSeccomp(System& system) {
  const auto mode = StatusValue(system, "Seccomp");
  if (!mode || *mode == "0") return {.sentence = "no filter"};
  const bool refused = HasCapability(system, Capability::kBpf) &&
                       (system.ProbeRingBuffer() == EPERM || system.ProbePerfEvent(PerfEvent::kCpuClock) == EPERM);
  if (!refused) return {.sentence = "a filter is on and lets bpf and perf_event_open pass"};
  return {.health = Health::kFailed,
          .sentence = "a seccomp filter (a container's, most likely) refuses bpf or perf_event_open",
          .mend = "docker run --security-opt seccomp=unconfined …  # Kubernetes: seccompProfile.type: Unconfined"};
}

Finding CheckMemlock(System& system) {
  if (KernelVersion(system) >= std::pair(5, 11)) return {.sentence = "does not matter on this kernel"};
  if (HasCapability(system, Capability::kSysResource)) return {.sentence = "kiln raises it by itself"};
  constexpr uint64_t kEnough = uint64_t{256} << 20;
  const uint64_t limit = system.MemlockLimitBytes();
  if (limit >= kEnough) return {.sentence = "enough"};
  return {.health = Health::kFailed,
          .sentence =
              fmt::format("{} KiB of locked memory are too little for the BPF maps before kernel 5.11", limit / 1024),
          .mend = "ulimit -l unlimited"};
}

Finding CheckPidNamespace(System& system) {
  const auto here = system.ReadLink("/proc/self/ns/pid");
  if (here.ok() && *here == kHostPidNamespace) return {.sentence = "the host's"};
  return {.health = Health::kLimited,
          .sentence = "kiln runs in a container's pid namespace and cannot look into processes outside of it",
          .mend = "docker run --pid=host …  # Kubernetes: hostPID: true"};
}

// What kallsyms_show_value() in kernel/ksyms_common.c decides.
Finding CheckKernelAddresses(System& system) {
  const auto restrict = ReadNumber(system, "/proc/sys/kernel/kptr_restrict");
  if (!restrict) return {.sentence = "not restricted"};
  Finding mendable = {.health = Health::kLimited,
                      .sentence = fmt::format("kptr_restrict is {}: kernel frames stay without names", * restrict),
                      .mend = "sudo sysctl kernel.kptr_restrict=1"};
  if (*restrict >= 2) return mendable;
  if (HasCapability(system, Capability::kSyslog)) return {.sentence = fmt::format("kptr_restrict is {}", * restrict)};
  const auto paranoid = ReadNumber(system, "/proc/sys/kernel/perf_event_paranoid");
  if (*restrict == 0 && paranoid && *paranoid <= 1) return {.sentence = "kptr_restrict is 0"};
  return {.health = Health::kLimited,
          .sentence = fmt::format(
              "kptr_restrict is {} and cap_syslog is missing: kernel frames stay without names", * restrict),
          .mend = "sudo kiln record"};
}

}  // namespace kiln::agent
