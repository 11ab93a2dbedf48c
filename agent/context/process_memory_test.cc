// SPDX-License-Identifier: Apache-2.0
#include "agent/context/process_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace kiln::agent {
namespace {

ProcessAddress AddressOf(const void* at) { return ProcessAddress(reinterpret_cast<uint64_t>(at)); }

TEST(ProcessMemory, IsReadWhereItIsMapped) {
  const auto memory = ProcessMemory::Open(Pid{::getpid()});
  ASSERT_TRUE(memory.ok()) << memory.status();
  const std::array<char, 5> text = {'t', 'h', 'e', 'r', 'e'};
  std::array<std::byte, 5> got{};
  ASSERT_TRUE(memory->Read(AddressOf(text.data()), got).ok());
  EXPECT_EQ(std::memcmp(got.data(), text.data(), got.size()), 0);
  EXPECT_TRUE(memory->Read(AddressOf(nullptr), {}).ok());
}

TEST(ProcessMemory, ThatIsNotAllThereIsNotRead) {
  const auto memory = ProcessMemory::Open(Pid{::getpid()});
  ASSERT_TRUE(memory.ok());
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  void* const pages = ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  ::munmap(static_cast<char*>(pages) + page, page);
  std::array<std::byte, 16> got{};
  const ProcessAddress last(AddressOf(pages).value() + page - 8);
  EXPECT_EQ(memory->Read(last, got).code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(memory->Read(last, std::span(got).first(8)).ok());
  for (const uint64_t address : {uint64_t{0}, UINT64_MAX, UINT64_MAX - 7, uint64_t{1} << 63}) {
    EXPECT_EQ(memory->Read(ProcessAddress(address), got).code(), absl::StatusCode::kOutOfRange) << address;
  }
  ::munmap(pages, page);
}

TEST(ProcessMemory, OfAProcessThatHasEndedIsGone) {
  static int here = 1;
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(pipes[1]);
    char byte = 0;
    ::_exit(static_cast<int>(::read(pipes[0], &byte, 1)));
  }
  const auto memory = ProcessMemory::Open(Pid{pid});
  ASSERT_TRUE(memory.ok()) << memory.status();
  std::array<std::byte, 4> got{};
  EXPECT_TRUE(memory->Read(AddressOf(&here), got).ok());
  ::close(pipes[0]);
  ::close(pipes[1]);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(memory->Read(AddressOf(&here), got).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ProcessMemory::Open(Pid{pid}).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace kiln::agent
