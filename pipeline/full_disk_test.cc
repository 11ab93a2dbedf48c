// SPDX-License-Identifier: Apache-2.0
// A disk that is really full: a small tmpfs of its own (root), or a limit on the size of files (no root).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "pipeline/disk_queue.h"
#include "pipeline/testing/batches.h"
#include "pipeline/testing/fake_clock.h"

namespace kiln::pipeline {
namespace {

// Fills the queue in `directory` beyond what there is room for, makes room, and drains it. In a child, so that mounts
// and limits end with it; 0 = as it should be, else the line of what is not.
#define EXPECT_OR_LINE(condition)                                                               \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      fprintf(stderr, "line %d: " #condition "\n%s", __LINE__, accounts.Read().Dump().c_str()); \
      return 1;                                                                                 \
    }                                                                                           \
  } while (false)

int FillAndDrain(const std::string& directory, DropReason reason, const std::function<void()>& make_room) {
  FakeClock clock;
  MetricRegistry metrics;
  Accounts accounts(metrics, "otlp", Signal::kLogs);
  std::vector<std::string> notices;
  auto queue = DiskQueue::Open({.storage = {.directory = directory},
                                .exporter_id = "otlp",
                                .signal = Signal::kLogs,
                                .notify = [&](const Notice& notice) { notices.push_back(notice.text); }},
                               accounts, clock);
  EXPECT_OR_LINE(queue.ok());
  constexpr int kBatches = 40;
  for (int i = 0; i < kBatches; ++i) {
    EXPECT_OR_LINE((*queue)->Put(TextBatch(std::to_string(i) + std::string(500'000, 'x'), 1, 3)) ==
                   Queue::PutResult::kTaken);
    accounts.Accept({1, 1, 3});
  }
  EXPECT_OR_LINE((*queue)->state().degraded);
  EXPECT_OR_LINE(notices.size() == 1);
  const auto read = [&] {
    Ledger ledger = accounts.Read();
    ledger.queued = (*queue)->state().waiting;
    return ledger;
  };
  EXPECT_OR_LINE(read().Dropped(reason).requests > 0);
  EXPECT_OR_LINE(read().TotalDropped() == read().Dropped(reason));
  EXPECT_OR_LINE(read().Balanced());
  make_room();
  int last = -1;
  int taken = 0;
  while (const auto item = (*queue)->Take()) {
    const int number = std::atoi(item->batch->bytes.c_str());
    EXPECT_OR_LINE(number > last);
    last = number;
    ++taken;
    (*queue)->Finish(*item);
  }
  EXPECT_OR_LINE(last == kBatches - 1);
  EXPECT_OR_LINE(taken + read().Dropped(reason).requests == kBatches);
  EXPECT_OR_LINE((*queue)->Put(TextBatch("after")) == Queue::PutResult::kTaken);
  EXPECT_OR_LINE(!(*queue)->state().degraded);
  EXPECT_OR_LINE(notices.size() == 2);
  return 0;
}

int InChild(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(FileSizeLimit, IsAFailingDiskThatRecovers) {
  const ScratchDirectory scratch;
  EXPECT_EQ(InChild([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              rlimit limit{};
              ::getrlimit(RLIMIT_FSIZE, &limit);
              const rlimit small{.rlim_cur = 4 << 20, .rlim_max = limit.rlim_max};
              ::setrlimit(RLIMIT_FSIZE, &small);
              return FillAndDrain(scratch.path(), DropReason::kDiskError, [&] { ::setrlimit(RLIMIT_FSIZE, &limit); });
            }),
            0);
}

TEST(SmallTmpfs, IsAFullDiskThatRecovers) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const ScratchDirectory scratch;
  const int result = InChild([&] {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
    if (::mount("tmpfs", scratch.path().c_str(), "tmpfs", 0, "size=10m") != 0) return 77;
    std::ofstream(scratch.path() + "/of somebody else") << std::string(3 << 20, 'x');
    return FillAndDrain(scratch.path(), DropReason::kDiskFull,
                        [&] { std::filesystem::remove(scratch.path() + "/of somebody else"); });
  });
  if (result == 77) GTEST_SKIP() << "mounting is not allowed here";
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace kiln::pipeline
