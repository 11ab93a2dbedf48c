// SPDX-License-Identifier: Apache-2.0
#include "agent/record/target_watch.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kiln::agent {
namespace {

TEST(TargetWatch, AZombieHasEnded) {
  int gate[2];
  ASSERT_EQ(::pipe(gate), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(gate[1]);
    char byte = 0;
    ::_exit(static_cast<int>(::read(gate[0], &byte, 1)));
  }
  TargetWatch watch({child});
  EXPECT_TRUE(watch.AnyAlive());
  ::close(gate[1]);  // lets it end
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);  // ended, not collected
  EXPECT_EQ(::kill(child, 0), 0);
  EXPECT_FALSE(watch.AnyAlive());
  ::waitpid(child, nullptr, 0);
  ::close(gate[0]);
}

TEST(TargetWatch, NoProcessIsAlive) {
  EXPECT_FALSE(TargetWatch({}).AnyAlive());
  EXPECT_FALSE(TargetWatch({-1}).AnyAlive());
}

}  // namespace
}  // namespace kiln::agent
