// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/process_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"

namespace kiln::agent {
namespace {

using ::testing::HasSubstr;

constexpr char kStatus[] = "Name:\tworker\nState:\tS (sleeping)\nTgid:\t42\nNSpid:\t42\t7\nThreads:\t1\n";
constexpr char kStat[] = "42 (wor) ker) S 1 42 42 0 -1 4194560 1 2";

// A /proc with one good process, 42, to be spoiled by each test.
class ProcessFactsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    proc_ = (std::filesystem::temp_directory_path() / "kiln_facts.XXXXXX").string();
    ASSERT_NE(::mkdtemp(proc_.data()), nullptr);
    std::filesystem::create_directories(proc_ + "/42/ns");
    std::filesystem::create_directories(proc_ + "/self/ns");
    Write("status", kStatus);
    Write("stat", kStat);
    Write("maps", "");
    Write("exe", std::string("\x7f"
                             "ELF\x02\x01\x01",
                             7) +
                     std::string(64, '\0'));
    Write("ns/mnt", "");
  }
  void TearDown() override { std::filesystem::remove_all(proc_); }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(proc_ + "/42/" + name, text).ok());
  }
  StatusOr<ProcessFacts> Read(int pid = 42) const { return ReadProcessFacts(Pid{pid}, proc_); }
  void ExpectError(absl::StatusCode code, const std::string& text) const {
    const auto facts = Read();
    EXPECT_EQ(facts.status().code(), code);
    EXPECT_THAT(std::string(Message(facts.status())), HasSubstr(text));
  }
  std::string proc_;
};

TEST_F(ProcessFactsTest, ReadsWhatTheProcessIs) {
  const auto facts = Read();
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->name, "worker");
  EXPECT_EQ(facts->pid, Pid{42});
  EXPECT_EQ(facts->namespaced_pid, Pid{7});
  EXPECT_NE(facts->mount_namespace, 0u);
  EXPECT_FALSE(facts->other_mount_namespace) << "kiln's own one is not known";
  ASSERT_TRUE(WriteFileAtomically(proc_ + "/self/ns/mnt", "").ok());
  EXPECT_TRUE(Read()->other_mount_namespace);
  std::filesystem::remove(proc_ + "/self/ns/mnt");
  std::filesystem::create_hard_link(proc_ + "/42/ns/mnt", proc_ + "/self/ns/mnt");
  EXPECT_FALSE(Read()->other_mount_namespace);
}

TEST_F(ProcessFactsTest, TellsThatThereIsNoProcess) {
  const auto facts = Read(43);
  EXPECT_EQ(facts.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(facts.status())), HasSubstr("no process 43"));
}

TEST_F(ProcessFactsTest, TellsThreadsFromProcesses) {
  Write("status", "Name:\tworker\nState:\tS\nTgid:\t40\n");
  ExpectError(absl::StatusCode::kNotFound, "42 is a thread of process 40: give --pid 40");
}

TEST_F(ProcessFactsTest, RefusesKernelThreads) {
  Write("stat", "42 (kworker/0:1) I 2 0 0 0 -1 69238880 0 0");
  ExpectError(absl::StatusCode::kFailedPrecondition, "kernel thread");
}

TEST_F(ProcessFactsTest, RefusesZombies) {
  Write("status", "Name:\tworker\nState:\tZ (zombie)\nTgid:\t42\nThreads:\t1\n");
  ExpectError(absl::StatusCode::kFailedPrecondition, "zombie");
}

TEST_F(ProcessFactsTest, TakesAProcessWhoseFirstThreadHasEnded) {
  Write("status", "Name:\tworker\nState:\tZ (zombie)\nTgid:\t42\nThreads:\t2\n");
  EXPECT_TRUE(Read().ok());
}

TEST_F(ProcessFactsTest, Refuses32BitPrograms) {
  Write("exe", std::string("\x7f"
                           "ELF\x01\x01\x01",
                           7) +
                   std::string(64, '\0'));
  ExpectError(absl::StatusCode::kFailedPrecondition, "32-bit");
}

TEST_F(ProcessFactsTest, TellsThatPrivilegesAreMissing) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  ASSERT_EQ(::chmod((proc_ + "/42/maps").c_str(), 0), 0);
  ExpectError(absl::StatusCode::kPermissionDenied, "sudo kiln doctor -p 42");
}

TEST_F(ProcessFactsTest, LivesWithDamagedTexts) {
  for (const char* stat : {"", "42", "42 (a)", "42 (a) S 1 2 3", "42 (a) S 1 2 3 4 5 x"}) {
    Write("stat", stat);
    EXPECT_TRUE(Read().ok()) << stat;
  }
  for (const char* status : {"", "\n\n", "Name:", "Tgid:\tx\nState:\n", "NSpid:\t\nName"}) {
    Write("status", status);
    EXPECT_TRUE(Read().ok()) << status;
  }
}

TEST(ProcessFactsOfThisProcess, AreRead) {
  const auto facts = ReadProcessFacts(Pid{::getpid()});
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->name, "doctor_test");
  EXPECT_FALSE(facts->other_mount_namespace);
}

}  // namespace
}  // namespace kiln::agent
