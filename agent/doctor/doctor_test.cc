// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/doctor/host_system.h"
#include "agent/doctor/privileges.h"

namespace kiln::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A machine on which everything is well, to be spoiled by each test.
class FakeSystem final : public System {
 public:
  std::map<std::string, std::string> files = {
      {"/proc/self/status", "Name:\tkiln\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n"},
      {"/proc/sys/kernel/perf_event_paranoid", "2"},
      {"/proc/sys/kernel/perf_event_max_sample_rate", "100000"},
      {"/proc/sys/kernel/kptr_restrict", "0"},
      {"/sys/kernel/security/lockdown", "[none] integrity confidentiality"},
      {"/sys/kernel/btf/vmlinux", ""},
      {"/sys/kernel", ""},
  };
  std::string pid_namespace = "pid:[4026531836]";
  std::string user_namespace = "user:[4026531837]";
  std::set<std::string> btf_names = {"btf_trace_sched_process_fork", "btf_trace_sched_process_exit"};
  std::string release = "6.1.0-50-cloud-amd64";
  std::string architecture = "x86_64";
  int ring_buffer = 0;
  int map_of_maps = 0;
  int bpf_program = 0;
  int cpu_clock = 0;
  int cycles = 0;
  uint64_t memlock = 8 << 20;

  void SetCapabilities(std::string_view hex) {
    files["/proc/self/status"] = fmt::format("Name:\tkiln\nCapEff:\t{}\nSeccomp:\t0\n", hex);
  }

  StatusOr<std::string> ReadText(const std::string& path) override {
    const auto found = files.find(path);
    if (found == files.end()) return absl::NotFoundError("none");
    return found->second;
  }
  bool CanRead(const std::string& path) override { return files.contains(path); }
  StatusOr<std::string> ReadLink(const std::string& path) override {
    return path == "/proc/self/ns/user" ? user_namespace : pid_namespace;
  }
  bool BtfHasName(const std::string& name) override { return btf_names.contains(name); }
  std::string KernelRelease() override { return release; }
  std::string Architecture() override { return architecture; }
  std::string ProgramPath() override { return "/opt/kiln"; }
  int ProbeRingBuffer() override { return ring_buffer; }
  int ProbeMapOfMaps() override { return map_of_maps; }
  int ProbeBpfProgram() override { return bpf_program; }
  int ProbePerfEvent(PerfEvent event) override { return event == PerfEvent::kCpuClock ? cpu_clock : cycles; }
  uint64_t MemlockLimitBytes() override { return memlock; }
};

Finding FindingOf(System& system, std::string_view id) {
  for (const Diagnosis& diagnosis : Diagnose(system)) {
    if (diagnosis.check->id == id) return diagnosis.finding;
  }
  ADD_FAILURE() << "no check " << id;
  return {};
}

TEST(Doctor, FindsNothingOnAGoodMachine) {
  FakeSystem system;
  for (const Diagnosis& diagnosis : Diagnose(system)) {
    EXPECT_EQ(diagnosis.finding.health, Health::kOk) << diagnosis.check->id << ": " << diagnosis.finding.sentence;
    EXPECT_EQ(diagnosis.finding.mend, "") << diagnosis.check->id;
    EXPECT_NE(diagnosis.finding.sentence, "") << diagnosis.check->id;
  }
  EXPECT_THAT(RenderDiagnosis(Diagnose(system)), HasSubstr("kiln record works here.\n"));
}

TEST(Doctor, GivesEveryCheckAnIdOfItsOwn) {
  std::set<std::string_view> ids;
  for (const Check& check : AllChecks()) EXPECT_TRUE(ids.insert(check.id).second) << check.id;
}

// One spoiled thing each: which check finds it, how bad it is, what the sentence and the mend name.
struct Case {
  const char* name;
  void (*spoil)(FakeSystem&);
  const char* id;
  Health health;
  const char* sentence;
  const char* mend;
};

class SpoiledMachine : public testing::TestWithParam<Case> {};

TEST_P(SpoiledMachine, IsFoundWithAMend) {
  FakeSystem system;
  GetParam().spoil(system);
  const Finding finding = FindingOf(system, GetParam().id);
  EXPECT_EQ(finding.health, GetParam().health);
  EXPECT_THAT(finding.sentence, HasSubstr(GetParam().sentence));
  EXPECT_THAT(finding.mend, HasSubstr(GetParam().mend));
  EXPECT_EQ(CanRecord(Diagnose(system)), GetParam().health != Health::kFailed);
}

const Case kCases[] = {
    {"OldKernel", [](FakeSystem& s) { s.release = "5.4.0"; }, "kernel", Health::kFailed, "5.4.0 is too old", "apt-get"},
    {"UnreadableKernelVersion", [](FakeSystem& s) { s.release = "strange"; }, "kernel", Health::kFailed, "strange", ""},
    {"KernelWithoutBuildIds", [](FakeSystem& s) { s.release = "5.10.223"; }, "kernel", Health::kOk, "build ids", ""},
    {"OtherArchitecture", [](FakeSystem& s) { s.architecture = "riscv64"; }, "architecture", Health::kFailed, "riscv64",
     ""},
    {"NoBtf", [](FakeSystem& s) { s.files.erase("/sys/kernel/btf/vmlinux"); }, "btf", Health::kFailed,
     "CONFIG_DEBUG_INFO_BTF", "apt-get"},
    {"NoSys",
     [](FakeSystem& s) {
       s.files.erase("/sys/kernel/btf/vmlinux");
       s.files.erase("/sys/kernel");
     },
     "btf", Health::kFailed, "/sys is not mounted", "mount -t sysfs"},
    {"NoCapabilities", [](FakeSystem& s) { s.SetCapabilities("0000000000000000"); }, "capabilities", Health::kFailed,
     "no BPF program can be loaded", "sudo setcap cap_bpf,cap_perfmon"},
    // All but CAP_PERFMON and CAP_SYS_ADMIN.
    {"NoPerfmon", [](FakeSystem& s) { s.SetCapabilities("000001bfffdfffff"); }, "capabilities", Health::kFailed,
     "without cap_perfmon no process", "/opt/kiln"},
    // All but CAP_SYS_PTRACE.
    {"NoPtrace", [](FakeSystem& s) { s.SetCapabilities("000001fffff7ffff"); }, "capabilities", Health::kLimited,
     "without cap_sys_ptrace other users' programs", "setcap"},
    // All but CAP_SYS_PTRACE and CAP_IPC_LOCK.
    {"NeitherPtraceNorIpcLock", [](FakeSystem& s) { s.SetCapabilities("000001fffff7bfff"); }, "capabilities",
     Health::kLimited, "recording; without cap_ipc_lock the buffers", "setcap"},
    {"UserNamespace", [](FakeSystem& s) { s.user_namespace = "user:[4026532000]"; }, "user_namespace", Health::kFailed,
     "do not count on the host", "--userns=host"},
    {"ParanoidDistribution",
     [](FakeSystem& s) {
       s.files["/proc/sys/kernel/perf_event_paranoid"] = "4";
       s.cpu_clock = EACCES;
     },
     "perf_event", Health::kFailed, "paranoid at 4", "sysctl kernel.perf_event_paranoid=2"},
    {"NoSysResourceOnAnOldKernel",
     [](FakeSystem& s) {
       s.release = "5.10.0";
       s.SetCapabilities("000001fffeffffff");  // all but CAP_SYS_RESOURCE
       s.memlock = 1 << 30;
     },
     "capabilities", Health::kLimited, "without cap_sys_resource the memory of BPF maps", "setcap"},
    {"NoSysResourceOnANewKernel", [](FakeSystem& s) { s.SetCapabilities("000001fffeffffff"); }, "capabilities",
     Health::kOk, "all that are needed", ""},
    {"Lockdown", [](FakeSystem& s) { s.files["/sys/kernel/security/lockdown"] = "none integrity [confidentiality]"; },
     "lockdown", Health::kFailed, "confidentiality", "lockdown=integrity"},
    {"MildLockdown",
     [](FakeSystem& s) { s.files["/sys/kernel/security/lockdown"] = "none [integrity] confidentiality"; }, "lockdown",
     Health::kOk, "integrity", ""},
    {"SeccompRefusesBpf",
     [](FakeSystem& s) {
       s.files["/proc/self/status"] = "CapEff:\t000001ffffffffff\nSeccomp:\t2\n";
       s.ring_buffer = EPERM;
     },
     "seccomp", Health::kFailed, "seccomp filter", "seccomp=unconfined"},
    {"SeccompLetsPass",
     [](FakeSystem& s) { s.files["/proc/self/status"] = "CapEff:\t000001ffffffffff\nSeccomp:\t2\n"; }, "seccomp",
     Health::kOk, "lets bpf", ""},
    {"MemlockOnOldKernel",
     [](FakeSystem& s) {
       s.release = "5.10.0";
       s.SetCapabilities("000001fffeffffff");  // all but CAP_SYS_RESOURCE
       s.memlock = 64 << 10;
     },
     "memlock", Health::kFailed, "64 KiB", "ulimit -l unlimited"},
    {"NoRingBuffer", [](FakeSystem& s) { s.ring_buffer = EINVAL; }, "ring_buffer", Health::kFailed,
     "no BPF ring buffer", "apt-get"},
    {"BpfRefused", [](FakeSystem& s) { s.map_of_maps = EPERM; }, "map_of_maps", Health::kFailed, "lockdown, seccomp",
     ""},
    {"NoBpfSyscall", [](FakeSystem& s) { s.bpf_program = ENOSYS; }, "bpf_program", Health::kFailed,
     "CONFIG_BPF_SYSCALL", ""},
    {"NoTracepoint", [](FakeSystem& s) { s.btf_names.erase("btf_trace_sched_process_fork"); }, "tracepoints",
     Health::kLimited, "children that start later", ""},
    {"PerfRefused", [](FakeSystem& s) { s.cpu_clock = EACCES; }, "perf_event", Health::kFailed, "cap_perfmon", "sudo"},
    {"NoPmu", [](FakeSystem& s) { s.cycles = ENOENT; }, "cycles", Health::kOk, "cpu-clock is", ""},
    {"ParanoidAndUnprivileged", [](FakeSystem& s) { s.SetCapabilities("0000000000000000"); }, "perf_event_paranoid",
     Health::kFailed, "2: sampling other processes", "sudo"},
    {"SlowSampling", [](FakeSystem& s) { s.files["/proc/sys/kernel/perf_event_max_sample_rate"] = "1000"; },
     "max_sample_rate", Health::kLimited, "at most 1000 Hz", "sysctl kernel.perf_event_max_sample_rate"},
    {"TooSlowSampling", [](FakeSystem& s) { s.files["/proc/sys/kernel/perf_event_max_sample_rate"] = "50"; },
     "max_sample_rate", Health::kFailed, "less than record's default", "sysctl"},
    {"KptrRestrict", [](FakeSystem& s) { s.files["/proc/sys/kernel/kptr_restrict"] = "2"; }, "kernel_addresses",
     Health::kLimited, "kptr_restrict is 2", "sysctl kernel.kptr_restrict=1"},
    {"ContainerPidNamespace", [](FakeSystem& s) { s.pid_namespace = "pid:[4026532400]"; }, "pid_namespace",
     Health::kLimited, "container's pid namespace", "--pid=host"},
};

INSTANTIATE_TEST_SUITE_P(Cases, SpoiledMachine, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Capabilities, SysAdminStandsForTheNarrowOnes) {
  FakeSystem system;
  system.SetCapabilities("0000000000200000");
  EXPECT_TRUE(HasCapability(system, Capability::kBpf));
  EXPECT_TRUE(HasCapability(system, Capability::kPerfmon));
  EXPECT_FALSE(HasCapability(system, Capability::kSysPtrace));
}

TEST(Capabilities, DacOverrideStandsForReading) {
  FakeSystem system;
  system.SetCapabilities("0000000000000002");
  EXPECT_TRUE(HasCapability(system, Capability::kDacReadSearch));
}

// What each of the eight is missed for: its own sentence, an error or a warning, and how to give it.
struct Missed {
  const char* name;
  int bit;
  bool fatal;
  const char* sentence;
};
class MissingCapabilityTest : public testing::TestWithParam<Missed> {};

TEST_P(MissingCapabilityTest, IsNamedWithItsConsequenceAndItsMend) {
  const auto& [name, bit, fatal, sentence] = GetParam();
  constexpr uint64_t kEight = (1ull << 2) | (1ull << 14) | (1ull << 19) | (1ull << 24) | (1ull << 34) | (1ull << 38) |
                              (1ull << 39) | (1ull << 40);
  FakeSystem system;
  system.release = "5.10.0";  // where all eight matter
  system.SetCapabilities(fmt::format("{:016x}", kEight & ~(1ull << bit)));
  const PrivilegeReport report = ReportPrivileges(system);
  EXPECT_THAT(report.remarks, testing::IsEmpty());
  EXPECT_EQ(report.status.code(), fatal ? absl::StatusCode::kPermissionDenied : absl::StatusCode::kOk);
  ASSERT_EQ(report.warnings.size(), fatal ? 0u : 1u);
  const std::string said(fatal ? std::string(Message(report.status)) : report.warnings[0]);
  std::string upper(name);
  for (char& c : upper) c = static_cast<char>(::toupper(c));
  EXPECT_THAT(said, testing::StartsWith(fmt::format("without {} {}", name, sentence)));
  EXPECT_THAT(said, HasSubstr(fmt::format("AmbientCapabilities={} ", upper)));
}

INSTANTIATE_TEST_SUITE_P(Eight, MissingCapabilityTest,
                         testing::ValuesIn(std::initializer_list<Missed>{
                             {"cap_bpf", 39, true, "no BPF program can be loaded"},
                             {"cap_perfmon", 38, true, "no process but one's own can be sampled"},
                             {"cap_sys_ptrace", 19, false, "other users' programs have no names"},
                             {"cap_dac_read_search", 2, false, "programs that this user may not read"},
                             {"cap_checkpoint_restore", 40, false, "programs whose file was deleted"},
                             {"cap_syslog", 34, false, "kernel functions have no names"},
                             {"cap_ipc_lock", 14, false, "the buffers for process events"},
                             {"cap_sys_resource", 24, false, "the memory of BPF maps"},
                         }),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Privileges, SayNothingWhereAllIsThere) {
  FakeSystem system;
  const PrivilegeReport report = ReportPrivileges(system);
  EXPECT_TRUE(report.status.ok());
  EXPECT_THAT(report.warnings, testing::IsEmpty());
  EXPECT_THAT(report.remarks, testing::IsEmpty());
}

TEST(Privileges, AreOneSentenceForAnOrdinaryUser) {
  FakeSystem system;
  system.SetCapabilities("0000000000000000");
  EXPECT_THAT(std::string(Message(ReportPrivileges(system).status)),
              HasSubstr("needs root (sudo kiln …), or at least the capabilities CAP_BPF and CAP_PERFMON"));
}

TEST(Privileges, DoNotCountInAUserNamespace) {
  FakeSystem system;
  system.user_namespace = "user:[4026532000]";
  EXPECT_THAT(std::string(Message(ReportPrivileges(system).status)), HasSubstr("user namespace"));
}

TEST(Privileges, AreNotAskedForWithoutNeed) {
  FakeSystem system;
  system.files["/proc/sys/kernel/perf_event_paranoid"] = "-1";
  system.SetCapabilities("000001c000080004");  // the eight but SYSLOG, SYS_RESOURCE and IPC_LOCK
  const PrivilegeReport report = ReportPrivileges(system);
  EXPECT_THAT(report.warnings, testing::IsEmpty());
  EXPECT_THAT(report.remarks, testing::ElementsAre(HasSubstr("cap_syslog is not there and not needed"),
                                                   HasSubstr("cap_ipc_lock"), HasSubstr("cap_sys_resource")));
  EXPECT_EQ(FindingOf(system, "capabilities").health, Health::kOk);
}

TEST(Doctor, CountsLimitsInTheVerdict) {
  FakeSystem system;
  system.pid_namespace = "pid:[1]";
  const std::string text = RenderDiagnosis(Diagnose(system));
  EXPECT_THAT(text, HasSubstr("kiln record works here, with 1 limit.\n"));
  EXPECT_THAT(text, HasSubstr("mend: docker run --pid=host"));
  EXPECT_THAT(text, Not(HasSubstr("cannot work")));
}

TEST(Doctor, WritesJsonWithEveryCheck) {
  FakeSystem system;
  system.release = "4.19.\xff";
  const auto json = nlohmann::json::parse(RenderDiagnosisJson(Diagnose(system)));
  EXPECT_EQ(json["can_record"], false);
  ASSERT_EQ(json["checks"].size(), AllChecks().size());
  EXPECT_EQ(json["checks"][0]["id"], "kernel");
  EXPECT_EQ(json["checks"][0]["health"], "failed");
  EXPECT_EQ(json["checks"][1]["health"], "ok");
}

TEST(HostSystem, AnswersForThisMachine) {
  HostSystem system;
  EXPECT_NE(KernelVersion(system), std::pair(0, 0));
  EXPECT_TRUE(system.ReadText("/proc/self/status").ok());
  EXPECT_FALSE(system.ReadText("/proc/no-such-file").ok());
  EXPECT_THAT(system.ProgramPath(), HasSubstr("doctor_test"));
  EXPECT_FALSE(system.BtfHasName("no_such_type_in_any_kernel"));
}

}  // namespace
}  // namespace kiln::agent
