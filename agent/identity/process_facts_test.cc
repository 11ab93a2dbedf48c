// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/process_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "agent/identity/testing/fake_proc.h"
#include "base/clock.h"
#include "base/file.h"

namespace kiln::agent::identity {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

const std::string kA = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";
const std::string kUid = "d965450c-a307-418f-9349-5a715e85cdd3";
constexpr int64_t kBoot = 1'700'000'000'000'000'000;

class ProcessFactsTest : public ::testing::Test {
 protected:
  ProcessFactsReader Reader(std::vector<std::string> names = {}, const Redactor* redactor = nullptr) {
    return ProcessFactsReader({.proc_root = proc_.root(),
                               .passwd_path = proc_.root() + "/passwd",
                               .environment_names = std::move(names),
                               .command_line_redactor = redactor,
                               .boot_unix_ns = [] { return kBoot; }},
                              metrics_);
  }
  ProcessFacts Read(Pid pid) {
    const auto facts = Reader().Read({.pid = pid});
    EXPECT_TRUE(facts);
    return facts.value_or(ProcessFacts{});
  }

  testing::FakeProc proc_{"kiln_process_facts"};
  MetricRegistry registry_;
  IdentityMetrics metrics_{registry_};
};

TEST_F(ProcessFactsTest, ReadsAProcess) {
  proc_.Add(Pid{7}, {.comm = "shop) (x", .parent = 3, .start_ticks = 250, .exe = "/usr/bin/shop"});
  proc_.Write(Pid{7}, "cgroup", "0::/system.slice/shop.service\n");
  proc_.WriteRoot("passwd", fmt::format("me:x:{}:0\n", ::getuid()));
  const ProcessFacts facts = Read(Pid{7});
  EXPECT_EQ(facts.comm, "shop) (x");
  EXPECT_EQ(facts.parent_pid, Pid{3});
  EXPECT_EQ(facts.executable_path, "/usr/bin/shop");
  EXPECT_EQ(facts.cgroup.systemd_unit, "shop.service");
  EXPECT_EQ(facts.owner, "me");
  EXPECT_EQ(facts.creation_unix_ns, kBoot + 250 * (1'000'000'000 / ::sysconf(_SC_CLK_TCK)));
  EXPECT_FALSE(facts.is_kernel_thread);
}

TEST_F(ProcessFactsTest, RefusesAnotherProcessOfThePid) {
  proc_.Add(Pid{7}, {.start_ticks = 250});
  const uint64_t tick_ns = 1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  auto reader = Reader();
  EXPECT_TRUE(reader.Read({.pid = Pid{7}, .start_ns = 250 * tick_ns + 17}));
  EXPECT_FALSE(reader.Read({.pid = Pid{7}, .start_ns = 251 * tick_ns}));
  EXPECT_EQ(metrics_.Misses(Part::kProcess, Miss::kReused), 1);
  EXPECT_FALSE(reader.Read({.pid = Pid{8}}));
  EXPECT_EQ(metrics_.Misses(Part::kProcess, Miss::kGone), 1);
}

// What a process tells until it vanishes is kept.
TEST_F(ProcessFactsTest, KeepsWhatWasReadOfAVanishingProcess) {
  proc_.Add(Pid{7}, {.comm = "shop"});
  std::filesystem::remove(proc_.PathOf(Pid{7}) + "/exe");
  std::filesystem::remove(proc_.PathOf(Pid{7}) + "/cgroup");
  const auto facts = Reader({"A"}).Read({.pid = Pid{7}});
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->comm, "shop");
  EXPECT_EQ(facts->executable_path, "");
  EXPECT_EQ(metrics_.Misses(Part::kExecutable, Miss::kGone), 1);
  EXPECT_EQ(metrics_.Misses(Part::kCgroup, Miss::kGone), 1);
  EXPECT_EQ(metrics_.Misses(Part::kEnvironment, Miss::kGone), 1);
}

TEST_F(ProcessFactsTest, KnowsDeletedFilesFromThoseThatAreCalledSo) {
  proc_.Add(Pid{7}, {.exe = "/opt/app (deleted)"});
  EXPECT_EQ(Read(Pid{7}).executable_path, "/opt/app");
  proc_.WriteRoot("really (deleted)", "");
  proc_.Add(Pid{8}, {.exe = proc_.root() + "/really (deleted)"});
  EXPECT_EQ(Read(Pid{8}).executable_path, proc_.root() + "/really (deleted)");
  proc_.Add(Pid{9}, {.exe = "/memfd:runc_cloned (deleted)"});
  EXPECT_EQ(Read(Pid{9}).executable_path, "/memfd:runc_cloned");
  proc_.Add(Pid{10}, {.exe = "(unreachable)/bin/x"});
  EXPECT_EQ(Read(Pid{10}).executable_path, "/bin/x");
}

TEST_F(ProcessFactsTest, LooksAtNothingButTheStatOfAKernelThread) {
  proc_.Add(Pid{2}, {.comm = "kworker/0:1", .flags = 0x00200000});
  const ProcessFacts facts = Read(Pid{2});
  EXPECT_TRUE(facts.is_kernel_thread);
  EXPECT_EQ(facts.executable_path, "");
  EXPECT_EQ(metrics_.Misses(Part::kExecutable, Miss::kGone), 0);
}

TEST_F(ProcessFactsTest, ReadsTheEnvironmentThatWasAskedFor) {
  proc_.Add(Pid{7}, {});
  proc_.Write(Pid{7}, "environ", std::string("A=1\0B=2\0C=3\0", 12));
  EXPECT_THAT(Reader({"C", "A"}).Read({.pid = Pid{7}})->environment, ElementsAre(Pair("A", "1"), Pair("C", "3")));
  EXPECT_THAT(Read(Pid{7}).environment, IsEmpty());
  // Beyond the limit a variable is not seen, and that is counted.
  proc_.Write(Pid{7}, "environ",
              std::string("A=1\0", 4) + "L=" + std::string(300'000, 'x') + std::string("\0C=3\0", 5));
  EXPECT_THAT(Reader({"A", "C", "L"}).Read({.pid = Pid{7}})->environment, ElementsAre(Pair("A", "1")));
  EXPECT_EQ(metrics_.Misses(Part::kEnvironment, Miss::kTooLarge), 1);
}

TEST_F(ProcessFactsTest, ReadsTheCommandLineWithoutSecrets) {
  const auto redactor = Redactor::Compile({});
  ASSERT_TRUE(redactor.ok());
  proc_.Add(Pid{7}, {});
  const auto line = [&](const std::string& text) {
    proc_.Write(Pid{7}, "cmdline", text);
    return Reader({}, &*redactor).Read({.pid = Pid{7}})->command_line;
  };
  EXPECT_EQ(line(std::string("app\0--password\0x\0-v\0", 20)), "app --password [redacted] -v");
  EXPECT_EQ(line("nginx: master process" + std::string(40, '\0')), "nginx: master process");
  EXPECT_EQ(line(""), "");
  // An argument that the limit cuts is left out.
  EXPECT_EQ(line(std::string("app\0--token=", 12) + std::string(5000, 'x')), "app");
  EXPECT_EQ(metrics_.Misses(Part::kCommandLine, Miss::kTooLarge), 1);
}

TEST_F(ProcessFactsTest, AsksTheMountsWhereTheCgroupIsHidden) {
  const std::string mounts = "9 8 1:2 /var/lib/docker/containers/" + kA + "/hostname /etc/hostname rw - ext4 d rw\n";
  proc_.Add(Pid{7}, {.mount_namespace = 2});
  proc_.Write(Pid{7}, "cgroup", "0::/\n");
  proc_.Write(Pid{7}, "mountinfo", mounts);
  EXPECT_EQ(Read(Pid{7}).cgroup.container_id, kA);
  EXPECT_EQ(Read(Pid{7}).cgroup.container_runtime, "docker");
  // In kiln's own mount namespace there is no container but kiln's.
  proc_.Add(Pid{8}, {.mount_namespace = 1});
  proc_.Write(Pid{8}, "cgroup", "0::/\n");
  proc_.Write(Pid{8}, "mountinfo", mounts);
  EXPECT_EQ(Read(Pid{8}).cgroup.container_id, "");
  // A systemd service with a mount namespace of its own is asked for nothing.
  proc_.Add(Pid{9}, {.mount_namespace = 3});
  proc_.Write(Pid{9}, "cgroup", "0::/system.slice/x.service");
  proc_.Write(Pid{9}, "mountinfo", mounts);
  EXPECT_EQ(Read(Pid{9}).cgroup.container_id, "");
}

TEST_F(ProcessFactsTest, LearnsAPodsContainerNameOnce) {
  const std::string cgroup = "0::/kubepods/burstable/pod" + kUid + "/" + kA + "\n";
  const std::string log =
      "9 8 1:2 /var/lib/kubelet/pods/" + kUid + "/containers/shop/0a1b2c3d /dev/termination-log rw - ext4 d rw\n";
  proc_.Add(Pid{7}, {.mount_namespace = 2});
  proc_.Write(Pid{7}, "cgroup", cgroup);
  auto reader = Reader();
  // The process has only just come in: its mounts are still the host's.
  proc_.Write(Pid{7}, "mountinfo", "");
  EXPECT_EQ(reader.Read({.pid = Pid{7}})->container_name, "");
  proc_.Write(Pid{7}, "mountinfo", log);
  EXPECT_EQ(reader.Read({.pid = Pid{7}})->container_name, "shop");
  std::filesystem::remove(proc_.PathOf(Pid{7}) + "/mountinfo");
  EXPECT_EQ(reader.Read({.pid = Pid{7}})->container_name, "shop");
  EXPECT_EQ(metrics_.Misses(Part::kMounts, Miss::kGone), 0);
}

TEST_F(ProcessFactsTest, GivesUsersOfContainersByNumber) {
  proc_.WriteRoot("passwd", fmt::format("me:x:{}:0\n", ::getuid()));
  proc_.Add(Pid{7}, {});
  proc_.Write(Pid{7}, "cgroup", "0::/docker/" + kA);
  EXPECT_EQ(Read(Pid{7}).owner, std::to_string(::getuid()));
  proc_.Add(Pid{8}, {.user_namespace = 9});
  EXPECT_EQ(Read(Pid{8}).owner, std::to_string(::getuid()));
  proc_.Add(Pid{9}, {});
  EXPECT_EQ(Read(Pid{9}).owner, "me");
}

TEST_F(ProcessFactsTest, BearsDamagedFiles) {
  proc_.Add(Pid{7}, {});
  proc_.Write(Pid{7}, "stat", "7 (x");
  proc_.Write(Pid{7}, "cgroup", std::string(100'000, '\xff'));
  const auto facts = Reader().Read({.pid = Pid{7}, .comm = "known"});
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->comm, "known");
  EXPECT_EQ(metrics_.Misses(Part::kStat, Miss::kOther), 1);
  EXPECT_EQ(metrics_.Misses(Part::kCgroup, Miss::kTooLarge), 1);
}

TEST_F(ProcessFactsTest, KeepsACreationTimeWhileTheClockIsAdjusted) {
  int64_t boot = kBoot;
  ProcessFactsReader reader({.proc_root = proc_.root(), .boot_unix_ns = [&] { return boot; }}, metrics_);
  const KnownProcess known{.pid = Pid{1}, .start_ns = 5};
  EXPECT_EQ(reader.WithoutReading(known).creation_unix_ns, kBoot + 5);
  boot += 1'000'000;
  EXPECT_EQ(reader.WithoutReading(known).creation_unix_ns, kBoot + 5);
  boot += 3600'000'000'000;
  EXPECT_EQ(reader.WithoutReading(known).creation_unix_ns, boot + 5);
}

TEST(Rfc3339, WritesMillisecondsInUtc) {
  EXPECT_EQ(Rfc3339(1'700'000'000'123'999'999), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(Rfc3339(0), "");
  EXPECT_EQ(Rfc3339(-5), "");
  EXPECT_EQ(Rfc3339(INT64_MAX), "2262-04-11T23:47:16.854Z");
}

// Against the real /proc: this process, and a child that is a zombie.
TEST(ProcessFactsLive, KnowsItself) {
  MetricRegistry registry;
  IdentityMetrics metrics(registry);
  const auto redactor = Redactor::Compile({});
  ASSERT_TRUE(redactor.ok());
  ProcessFactsReader reader({.environment_names = {"PATH"}, .command_line_redactor = &*redactor}, metrics);
  const auto facts = reader.Read({.pid = Pid{::getpid()}});
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->executable_path, std::filesystem::read_symlink("/proc/self/exe").string());
  EXPECT_EQ(facts->parent_pid, Pid{::getppid()});
  EXPECT_THAT(facts->command_line, ::testing::HasSubstr("identity_test"));
  EXPECT_NE(facts->owner, "");
  EXPECT_LE(facts->creation_unix_ns, UnixNs());
  EXPECT_GT(facts->creation_unix_ns, UnixNs() - int64_t{3600} * 1'000'000'000);
}

TEST(ProcessFactsLive, BearsAZombie) {
  MetricRegistry registry;
  IdentityMetrics metrics(registry);
  ProcessFactsReader reader({.environment_names = {"PATH"}}, metrics);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  const auto facts = reader.Read({.pid = Pid{child}});
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->parent_pid, Pid{::getpid()});
  EXPECT_EQ(facts->executable_path, "");
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(reader.Read({.pid = Pid{child}}));
}

TEST(ProcessFactsLive, AsksAnotherThreadWhenTheFirstHasEnded) {
  MetricRegistry registry;
  IdentityMetrics metrics(registry);
  ProcessFactsReader reader({}, metrics);
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(go[1]);
    std::thread([&] {
      char end = 0;
      (void)!::read(go[0], &end, 1);
      ::_exit(0);
    }).detach();
    ::syscall(SYS_exit, 0);  // of this thread only
  }
  ::close(go[0]);
  // The state of the first thread says when it has ended.
  std::string stat;
  const int64_t limit = ReadClockNs(CLOCK_MONOTONIC) + int64_t{60} * 1'000'000'000;
  while (stat.find(") Z ") == std::string::npos && ReadClockNs(CLOCK_MONOTONIC) < limit) {
    stat = ReadFile(fmt::format("/proc/{}/stat", child), 4096).value_or("");
  }
  const auto facts = reader.Read({.pid = Pid{child}});
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->executable_path, std::filesystem::read_symlink("/proc/self/exe").string());
  EXPECT_EQ(metrics.Misses(Part::kExecutable, Miss::kGone), 0);
  ::close(go[1]);
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace kiln::agent::identity
