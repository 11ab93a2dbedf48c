// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/checks.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "agent/doctor/privileges.h"

namespace kiln::agent {
namespace {

constexpr std::pair kOldestKernel(5, 10);

// What newer kernels bring that kiln uses, and what it does without.
struct KernelFeature {
  std::pair<int, int> since;
  std::string_view name;
};
constexpr KernelFeature kFeatures[] = {
    {{5, 11}, "BTF-typed current task"},
    {{5, 12}, "build ids in mapping events"},
    {{5, 15}, "BPF links for perf events and saved user registers of a task"},
};

Finding CheckKernel(System& system) {
  const auto version = KernelVersion(system);
  if (version < kOldestKernel) {
    return {.health = Health::kFailed,
            .sentence = fmt::format("Linux {} is too old: kiln needs 5.10 or newer", system.KernelRelease()),
            .mend = "sudo apt-get install linux-image-amd64  # or your distribution's newest kernel, then reboot"};
  }
  std::string without;
  for (const KernelFeature& feature : kFeatures) {
    if (version < feature.since) without += fmt::format("{}{}", without.empty() ? "" : ", ", feature.name);
  }
  std::string sentence = "Linux " + system.KernelRelease();
  if (!without.empty()) sentence += fmt::format("; kiln does without: {}", without);
  return {.sentence = std::move(sentence)};
}

Finding CheckArchitecture(System& system) {
  const std::string architecture = system.Architecture();
  if (architecture == "x86_64" || architecture == "aarch64") return {.sentence = architecture};
  return {.health = Health::kFailed,
          .sentence = fmt::format("{} is not supported: x86_64 and aarch64 are", architecture)};
}

Finding CheckBtf(System& system) {
  if (system.CanRead("/sys/kernel/btf/vmlinux")) return {.sentence = "/sys/kernel/btf/vmlinux"};
  if (!system.CanRead("/sys/kernel")) {
    return {.health = Health::kFailed,
            .sentence = "/sys is not mounted, so the kernel's type information (BTF) cannot be read",
            .mend = "sudo mount -t sysfs sysfs /sys"};
  }
  return {.health = Health::kFailed,
          .sentence = "this kernel has no type information (BTF): it was built without CONFIG_DEBUG_INFO_BTF",
          .mend = "sudo apt-get install linux-image-amd64  # or another kernel with BTF, then reboot"};
}

Finding CheckTracepoints(System& system) {
  for (const char* name : {"btf_trace_sched_process_fork", "btf_trace_sched_process_exit"}) {
    if (system.BtfHasName(name)) continue;
    return {
        .health = Health::kLimited,
        .sentence = fmt::format("the kernel's BTF lacks {}: children that start later may be missed by --pid", name)};
  }
  return {.sentence = "found in BTF"};
}

// Why a bpf(2) call failed, for a probe of `what`.
Finding BpfFinding(System& system, int error_number, std::string_view what) {
  if (error_number == 0) return {.sentence = fmt::format("{} works", what)};
  if (error_number == EPERM && !HasCapability(system, Capability::kBpf)) {
    return {.health = Health::kFailed,
            .sentence = fmt::format("{} needs cap_bpf, which is missing", what),
            .mend = "sudo kiln doctor"};
  }
  if (error_number == EPERM) {
    return {
        .health = Health::kFailed,
        .sentence = fmt::format("{} is refused although cap_bpf is there: see lockdown, seccomp and memlock", what)};
  }
  if (error_number == EINVAL) {
    return {.health = Health::kFailed,
            .sentence = fmt::format("this kernel has no {}: it is too old or built without it", what),
            .mend = "sudo apt-get install linux-image-amd64  # or your distribution's newest kernel, then reboot"};
  }
  if (error_number == ENOSYS) {
    return {.health = Health::kFailed, .sentence = "this kernel has no bpf system call (CONFIG_BPF_SYSCALL)"};
  }
  return {.health = Health::kFailed, .sentence = fmt::format("{} fails: {}", what, std::strerror(error_number))};
}

Finding CheckRingBuffer(System& system) { return BpfFinding(system, system.ProbeRingBuffer(), "BPF ring buffer"); }
Finding CheckMapOfMaps(System& system) { return BpfFinding(system, system.ProbeMapOfMaps(), "BPF array of maps"); }

Finding CheckBpfProgram(System& system) {
  Finding finding = BpfFinding(system, system.ProbeBpfProgram(), "BPF program on perf events");
  const bool lacks_perfmon = !HasCapability(system, Capability::kPerfmon);
  if (finding.health == Health::kFailed && lacks_perfmon && HasCapability(system, Capability::kBpf)) {
    return {.health = Health::kFailed,
            .sentence = "BPF program on perf events needs cap_perfmon, which is missing",
            .mend = "sudo kiln doctor"};
  }
  return finding;
}

Finding CheckPerfEvent(System& system) {
  const int error_number = system.ProbePerfEvent(PerfEvent::kCpuClock);
  if (error_number == 0) return {.sentence = "cpu-clock works"};
  const long paranoid = ReadNumber(system, "/proc/sys/kernel/perf_event_paranoid").value_or(2);
  if (error_number == EACCES && paranoid > 2 && HasCapability(system, Capability::kPerfmon)) {
    // A patch of Debian and Ubuntu.
    return {
        .health = Health::kFailed,
        .sentence = fmt::format("perf_event_open is refused although cap_perfmon is there: with "
                                "kernel.perf_event_paranoid at {} this distribution's kernel asks for cap_sys_admin",
                                paranoid),
        .mend = "sudo sysctl kernel.perf_event_paranoid=2"};
  }
  if (error_number == EACCES || error_number == EPERM) {
    return {.health = Health::kFailed,
            .sentence = "perf_event_open is refused: cap_perfmon is missing, or a security module forbids it",
            .mend = "sudo kiln doctor"};
  }
  if (error_number == ENOSYS) {
    return {.health = Health::kFailed, .sentence = "this kernel has no perf events (CONFIG_PERF_EVENTS)"};
  }
  return {.health = Health::kFailed, .sentence = fmt::format("perf_event_open fails: {}", std::strerror(error_number))};
}

// Having no PMU is usual in virtual machines and no fault: cpu-clock is the default.
Finding CheckCycles(System& system) {
  const int error_number = system.ProbePerfEvent(PerfEvent::kCycles);
  if (error_number == 0) return {.sentence = "--event cycles works"};
  if (error_number == ENOENT || error_number == EOPNOTSUPP || error_number == ENODEV) {
    return {.sentence = "none (a virtual machine, most likely): --event cycles is not offered, cpu-clock is"};
  }
  return {.health = Health::kLimited,
          .sentence = fmt::format("--event cycles does not work: {}", std::strerror(error_number))};
}

Finding CheckParanoid(System& system) {
  const auto level = ReadNumber(system, "/proc/sys/kernel/perf_event_paranoid");
  if (!level) {
    return {.health = Health::kFailed,
            .sentence =
                "/proc/sys/kernel/perf_event_paranoid is missing: the kernel has no perf events, or /proc is not "
                "mounted",
            .mend = "sudo mount -t proc proc /proc"};
  }
  if (HasCapability(system, Capability::kPerfmon)) {
    return {.sentence = fmt::format("{}, which does not matter with cap_perfmon", *level)};
  }
  if (*level <= -1) return {.sentence = fmt::format("{}", *level)};
  return {.health = Health::kFailed,
          .sentence = fmt::format("{}: sampling other processes is refused without cap_perfmon", *level),
          .mend = "sudo kiln record"};
}

Finding CheckSampleRate(System& system) {
  const auto rate = ReadNumber(system, "/proc/sys/kernel/perf_event_max_sample_rate");
  if (!rate) return {.sentence = "unknown"};
  if (*rate >= 10'000) return {.sentence = fmt::format("{} Hz", *rate)};
  const std::string mend = "sudo sysctl kernel.perf_event_max_sample_rate=10000";
  const bool below_default = *rate < 99;
  return {
      .health = below_default ? Health::kFailed : Health::kLimited,
      .sentence = fmt::format("the kernel takes at most {} Hz, {}", *rate,
                              below_default ? "less than record's default of 99" : "a higher --frequency is refused"),
      .mend = mend};
}

Finding CheckLockdown(System& system) {
  const auto text = system.ReadText("/sys/kernel/security/lockdown");
  if (!text.ok()) return {.sentence = "none"};
  if (text->find("[confidentiality]") == std::string::npos) {
    return {.sentence =
                text->find("[integrity]") != std::string::npos ? "integrity, which kiln can live with" : "none"};
  }
  return {.health = Health::kFailed,
          .sentence = "kernel lockdown is in confidentiality mode: BPF programs may not read memory",
          .mend =
              "sudo sed -i 's/lockdown=confidentiality/lockdown=integrity/' /etc/default/grub && sudo update-grub && "
              "sudo reboot"};
}

constexpr std::array kChecks = std::to_array<Check>({
    {"kernel", "kernel", CheckKernel},
    {"architecture", "architecture", CheckArchitecture},
    {"btf", "type information", CheckBtf},
    {"user_namespace", "user namespace", CheckUserNamespace},
    {"capabilities", "capabilities", CheckCapabilities},
    {"lockdown", "lockdown", CheckLockdown},
    {"seccomp", "seccomp", CheckSeccomp},
    {"memlock", "locked memory", CheckMemlock},
    {"ring_buffer", "ring buffer", CheckRingBuffer},
    {"map_of_maps", "map of maps", CheckMapOfMaps},
    {"bpf_program", "BPF program", CheckBpfProgram},
    {"tracepoints", "typed tracepoints", CheckTracepoints},
    {"perf_event", "perf event", CheckPerfEvent},
    {"cycles", "hardware counters", CheckCycles},
    {"perf_event_paranoid", "perf_event_paranoid", CheckParanoid},
    {"max_sample_rate", "sample rate", CheckSampleRate},
    {"kernel_addresses", "kernel names", CheckKernelAddresses},
    {"pid_namespace", "pid namespace", CheckPidNamespace},
});

}  // namespace

std::span<const Check> AllChecks() { return kChecks; }

}  // namespace kiln::agent
