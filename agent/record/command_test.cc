// SPDX-License-Identifier: Apache-2.0
#include "agent/record/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kiln::agent {
namespace {

StatusOr<Command> Fork(const std::vector<std::string>& arguments) {
  sigset_t mask;
  sigemptyset(&mask);
  return Command::Fork(arguments, mask);
}

int Wait(Command& command) {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(command.pid().value), &info, WEXITED | WNOWAIT);
  const auto status = command.TryWait();
  return status ? ShellExitCode(*status) : -1;
}

TEST(Command, RunsOnlyAfterItsRelease) {
  auto command = Fork({"sh", "-c", "exit 7"});
  ASSERT_TRUE(command.ok());
  EXPECT_EQ(command->TryWait(), std::nullopt);
  ASSERT_TRUE(command->Release().ok());
  EXPECT_EQ(Wait(*command), 7);
  EXPECT_EQ(command->TryWait(), std::nullopt);  // told once
}

TEST(Command, SaysWhyAProgramCannotBeStarted) {
  auto missing = Fork({"/no/such/program"});
  ASSERT_TRUE(missing.ok());
  const Status status = missing->Release();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(status)), testing::HasSubstr("cannot run /no/such/program"));
  auto folder = Fork({"/tmp"});
  ASSERT_TRUE(folder.ok());
  EXPECT_EQ(folder->Release().code(), absl::StatusCode::kPermissionDenied);
}

TEST(Command, TellsTheSignalAsAShellDoes) {
  auto command = Fork({"sh", "-c", "kill -TERM $$"});
  ASSERT_TRUE(command.ok());
  ASSERT_TRUE(command->Release().ok());
  EXPECT_EQ(Wait(*command), 128 + SIGTERM);
}

TEST(Command, TerminateEndsAndCollectsIt) {
  auto command = Fork({"sh", "-c", "exec tail -f /dev/null"});
  ASSERT_TRUE(command.ok());
  ASSERT_TRUE(command->Release().ok());
  const pid_t pid = command->pid().value;
  EXPECT_EQ(ShellExitCode(command->Terminate()), 128 + SIGTERM);
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(Command, AnUnreleasedChildDoesNotOutliveIt) {
  pid_t pid = 0;
  {
    auto command = Fork({"true"});
    ASSERT_TRUE(command.ok());
    pid = command->pid().value;
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

}  // namespace
}  // namespace kiln::agent
