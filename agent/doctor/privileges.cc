// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/privileges.h"

#include <algorithm>
#include <charconv>

namespace kiln::agent {
namespace {

// The inode of the first pid namespace, fixed in the kernel (PROC_PID_INIT_INO).
constexpr std::string_view kHostPidNamespace = "pid:[4026531836]";

// Likewise of the first user namespace (PROC_USER_INIT_INO).
constexpr std::string_view kHostUserNamespace = "user:[4026531837]";

struct Need {
  Capability capability;
  std::string_view name;
  std::string_view without;
};

constexpr Need kNeeds[] = {
    {Capability::kBpf, "cap_bpf", "no BPF program can be loaded"},
    {Capability::kPerfmon, "cap_perfmon", "no process but one's own can be sampled"},
    {Capability::kSysPtrace, "cap_sys_ptrace",
     "other users' programs have no names and cut stacks where they are in containers, deleted, or older than the "
     "recording"},
    {Capability::kDacReadSearch, "cap_dac_read_search",
     "programs that this user may not read have no names and cut stacks"},
    {Capability::kCheckpointRestore, "cap_checkpoint_restore",
     "programs whose file was deleted or replaced have no names and cut stacks"},
    {Capability::kSyslog, "cap_syslog", "kernel functions have no names"},
    {Capability::kIpcLock, "cap_ipc_lock",
     "the buffers for process events are limited by kernel.perf_event_mlock_kb, for all profilers of this user "
     "together"},
    {Capability::kSysResource, "cap_sys_resource", "the memory of BPF maps is limited by RLIMIT_MEMLOCK"},
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
  const bool within_override = capability == Capability::kDacReadSearch;
  return has(capability) || (within_admin && has(Capability::kSysAdmin)) ||
         (within_override && has(Capability::kDacOverride));
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

std::vector<MissingCapability> MissingCapabilities(System& system) {
  std::vector<MissingCapability> missing;
  for (const Need& need : kNeeds) {
    if (HasCapability(system, need.capability)) continue;
    MissingCapability& one =
        missing.emplace_back(MissingCapability{.name = need.name,
                                               .health = Health::kLimited,
                                               .sentence = fmt::format("without {} {}", need.name, need.without)});
    const auto needless = [&](std::string_view why) {
      one.health = Health::kOk;
      one.sentence = fmt::format("{} is not there and not needed: {}", need.name, why);
    };
    switch (need.capability) {
      case Capability::kBpf:
      case Capability::kPerfmon: one.health = Health::kFailed; break;
      case Capability::kSyslog:
        if (CheckKernelAddresses(system).health == Health::kOk) needless("the kernel hides no addresses here");
        break;
      case Capability::kIpcLock:
        if (ReadNumber(system, "/proc/sys/kernel/perf_event_paranoid").value_or(2) < 0) {
          needless("kernel.perf_event_paranoid is below 0");
        }
        break;
      case Capability::kSysResource:
        // Since then the memory of BPF maps is charged to the cgroup.
        if (KernelVersion(system) >= std::pair(5, 11))
          needless("from Linux 5.11 RLIMIT_MEMLOCK does not bind BPF maps");
        break;
      default: break;
    }
  }
  return missing;
}

namespace {

// "CAP_SYSLOG" and "SYSLOG" of "cap_syslog".
std::string UpperCase(std::string_view name) {
  std::string upper(name);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return upper;
}

std::string HowToGive(std::string_view name) {
  const std::string upper = UpperCase(name);
  const std::string bare = upper.substr(4);
  return fmt::format(
      "give it by AmbientCapabilities={} (systemd), --cap-add={} (docker), capabilities.add: [{}] (Kubernetes), or run "
      "kiln as root",
      upper, bare, bare);
}

}  // namespace

PrivilegeReport ReportPrivileges(System& system) {
  PrivilegeReport report;
  if (const Finding user = CheckUserNamespace(system); user.health == Health::kFailed) {
    report.status = absl::PermissionDeniedError(user.sentence + ": " + user.mend);
    return report;
  }
  std::vector<MissingCapability> fatal;
  for (MissingCapability& missing : MissingCapabilities(system)) {
    if (missing.health == Health::kFailed) {
      fatal.push_back(std::move(missing));
      continue;
    }
    auto& sentences = missing.health == Health::kLimited ? report.warnings : report.remarks;
    sentences.push_back(missing.health == Health::kLimited
                            ? fmt::format("{}; {}", missing.sentence, HowToGive(missing.name))
                            : missing.sentence);
  }
  if (fatal.size() == 1) {
    report.status = absl::PermissionDeniedError(fmt::format("{}; {}", fatal[0].sentence, HowToGive(fatal[0].name)));
  } else if (!fatal.empty()) {
    report.status = absl::PermissionDeniedError(
        "sampling needs root (sudo kiln …), or at least the capabilities CAP_BPF and CAP_PERFMON, neither of which is "
        "there; kiln doctor tells the others and how to give them");
  }
  return report;
}

Finding CheckCapabilities(System& system) {
  std::string sentence;
  Health health = Health::kOk;
  std::vector<std::string_view> needless;
  for (const MissingCapability& missing : MissingCapabilities(system)) {
    if (missing.health == Health::kOk) {
      needless.push_back(missing.name);
      continue;
    }
    if (health != Health::kFailed) health = missing.health;
    sentence += (sentence.empty() ? "" : "; ") + missing.sentence;
  }
  if (health == Health::kOk) return {.sentence = "all that are needed"};
  std::string all;
  for (const Need& need : kNeeds) {
    const bool left_out = std::ranges::find(needless, need.name) != needless.end();
    if (!left_out) all += fmt::format("{}{}", all.empty() ? "" : ",", need.name);
  }
  return {.health = health,
          .sentence = std::move(sentence),
          .mend = fmt::format("sudo setcap {}+ep {}  # or run kiln by sudo", all, system.ProgramPath())};
}

Finding CheckUserNamespace(System& system) {
  const auto here = system.ReadLink("/proc/self/ns/user");
  if (!here.ok() || *here == kHostUserNamespace) return {.sentence = "the host's"};
  return {.health = Health::kFailed,
          .sentence =
              "kiln runs in a user namespace (a rootless container, most likely), whose capabilities do not count "
              "on the host",
          .mend = "run it on the host, or in a container that root started, without user namespace (--userns=host)"};
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
