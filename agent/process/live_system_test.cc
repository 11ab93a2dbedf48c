// SPDX-License-Identifier: Apache-2.0
#include "agent/process/live_system.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "agent/process/proc_stat.h"
#include "base/file.h"

namespace kiln::agent {
namespace {

TEST(LiveSystem, ReadsTheMapsOfAProcessWhoseFirstThreadHasEnded) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::thread([] {
      for (;;) ::pause();
    }).detach();
    ::syscall(SYS_exit, 0);  // of this thread alone
  }
  std::string stat;
  do {
    stat = *ReadFile(fmt::format("/proc/{}/stat", child), 4096);
  } while (stat.find(") Z ") == std::string::npos);
  LiveProcessSystem system;
  EXPECT_TRUE(system.IsAlive(Pid{child}, 0));
  const auto mappings = system.ReadMaps(Pid{child});
  EXPECT_TRUE(mappings.ok() && !mappings->empty());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(system.ReadMaps(Pid{child}).ok());
}

TEST(LiveSystem, KnowsALivingProcessByItsStart) {
  LiveProcessSystem system;
  const auto stat = ParseProcStat(*ReadFile("/proc/self/stat", 4096));
  ASSERT_TRUE(stat.has_value());
  const uint64_t tick_ns = 1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  EXPECT_TRUE(system.IsAlive(Pid{::getpid()}, 0));
  EXPECT_TRUE(system.IsAlive(Pid{::getpid()}, stat->start_ticks * tick_ns + 5));
  EXPECT_FALSE(system.IsAlive(Pid{::getpid()}, (stat->start_ticks + 1) * tick_ns));
  EXPECT_FALSE(system.IsAlive(Pid{-1}, 0));
}

}  // namespace
}  // namespace kiln::agent
