// SPDX-License-Identifier: Apache-2.0
#include "agent/top/plain_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include "base/fd.h"

namespace kiln::agent {
namespace {

struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
};

Pipe MakePipe() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

TEST(WriteUnlessStopped, WritesMoreThanAPipeHolds) {
  auto signals = StopSignals::Block();
  ASSERT_TRUE(signals.ok());
  Pipe pipe = MakePipe();
  const std::string text(1 << 20, 'x');
  std::string read;
  std::thread reader([&] {
    std::array<char, 65536> bytes{};
    for (ssize_t n = 0; (n = ::read(pipe.reader.get(), bytes.data(), bytes.size())) > 0;) {
      read.append(bytes.data(), static_cast<size_t>(n));
    }
  });
  EXPECT_TRUE(WriteUnlessStopped(pipe.writer.get(), text, *signals).ok());
  pipe.writer.Reset();
  reader.join();
  EXPECT_EQ(read, text);
}

TEST(WriteUnlessStopped, EndsByASignalWhereNobodyReads) {
  auto signals = StopSignals::Block();
  ASSERT_TRUE(signals.ok());
  const Pipe pipe = MakePipe();
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(absl::IsCancelled(WriteUnlessStopped(pipe.writer.get(), std::string(1 << 20, 'x'), *signals)));
  EXPECT_TRUE(signals->terminated());
}

TEST(WriteUnlessStopped, TellsOfAFullDisk) {
  auto signals = StopSignals::Block();
  ASSERT_TRUE(signals.ok());
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full.valid());
  const Status status = WriteUnlessStopped(full.get(), "text", *signals);
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(absl::IsCancelled(status));
}

}  // namespace
}  // namespace kiln::agent
