// SPDX-License-Identifier: Apache-2.0
#include "pipeline/disk_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "pipeline/testing/batches.h"
#include "pipeline/testing/fake_clock.h"
#include "pipeline/testing/sqlite_faults.h"

namespace kiln::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Overflow = QueueSettings::Overflow;
using PutResult = Queue::PutResult;

constexpr int64_t kMiB = int64_t{1} << 20;

// One run of a process: its books begin at 0.
struct Session {
  MetricRegistry metrics;
  Accounts accounts{metrics, "otlp", Signal::kLogs};
  std::vector<std::string> notices;
  std::unique_ptr<DiskQueue> queue;
  Status status;

  Ledger Books() const {
    Ledger ledger = accounts.Read();
    if (queue != nullptr) ledger.queued = queue->state().waiting;
    return ledger;
  }
  // What can be taken, finished at once.
  std::vector<std::string> Drain() {
    std::vector<std::string> texts;
    while (const auto item = queue->Take()) {
      texts.push_back(item->batch->bytes);
      queue->Finish(*item);
    }
    return texts;
  }
};

class DiskQueueTest : public ::testing::Test {
 protected:
  std::unique_ptr<Session> Open(QueueSettings queue = {}, int64_t max_pages = 0) {
    auto run = std::make_unique<Session>();
    storage_.directory = scratch_.path();
    storage_.timeout = absl::ZeroDuration();
    auto opened =
        DiskQueue::Open({.queue = queue,
                         .storage = storage_,
                         .exporter_id = "otlp",
                         .signal = Signal::kLogs,
                         .notify = [&notices = run->notices](const Notice& notice) { notices.push_back(notice.text); },
                         .max_pages = max_pages},
                        run->accounts, clock_);
    run->status = opened.status();
    if (opened.ok()) run->queue = *std::move(opened);
    return run;
  }
  std::string Path() const { return scratch_.path() + "/exporter_otlp_logs.db"; }
  int64_t SizeOnDisk() const {
    int64_t size = 0;
    for (const auto& entry : std::filesystem::directory_iterator(scratch_.path())) {
      size += static_cast<int64_t>(entry.file_size());
    }
    return size;
  }
  static std::string Text(size_t bytes, char c = 'x') { return std::string(bytes, c); }

  ScratchDirectory scratch_;
  FileStorageSettings storage_;
  FakeClock clock_;
};

TEST_F(DiskQueueTest, GivesBackWhatWasPut) {
  const auto run = Open();
  const BatchPtr batch = std::make_shared<const Batch>(Batch{
      .signal = Signal::kMetrics, .bytes = std::string("a\0b", 3), .items = 5, .weight = 77, .created_unix_nano = -3});
  EXPECT_EQ(run->queue->Put(batch), PutResult::kTaken);
  EXPECT_EQ(run->queue->state().waiting, (Amount{1, 5, 77}));
  EXPECT_TRUE(run->queue->state().durable);
  const auto item = run->queue->Take();
  ASSERT_TRUE(item);
  EXPECT_EQ(item->batch->signal, Signal::kMetrics);
  EXPECT_EQ(item->batch->bytes, batch->bytes);
  EXPECT_EQ(AmountOf(*item->batch), (Amount{1, 5, 77}));
  EXPECT_EQ(item->batch->created_unix_nano, -3);
  EXPECT_FALSE(item->redelivered);
  EXPECT_FALSE(run->queue->Take());
  EXPECT_EQ(run->queue->state().waiting, Amount{});
}

TEST_F(DiskQueueTest, ARestartGoesOnInOrder) {
  auto run = Open();
  for (const char* text : {"a", "b", "c"}) run->queue->Put(TextBatch(text, 2, 3));
  run->queue->Finish(*run->queue->Take());
  run = nullptr;
  run = Open();
  EXPECT_EQ(run->Books().restored, (Amount{2, 4, 6}));
  run->queue->Put(TextBatch("d"));
  EXPECT_THAT(run->Drain(), ElementsAre("b", "c", "d"));
  run = nullptr;
  EXPECT_EQ(Open()->Books().restored, Amount{});
}

TEST_F(DiskQueueTest, WhatWasInFlightIsGivenOutAgainAndSaysSo) {
  auto run = Open();
  run->queue->Put(TextBatch("a"));
  run->queue->Put(TextBatch("b"));
  run->queue->Take();
  run = nullptr;  // without an end of "a"
  run = Open();
  auto item = run->queue->Take();
  EXPECT_EQ(item->batch->bytes, "a");
  EXPECT_TRUE(item->redelivered);
  item = run->queue->Take();
  EXPECT_EQ(item->batch->bytes, "b");
  EXPECT_FALSE(item->redelivered);
}

TEST_F(DiskQueueTest, WhatIsReturnedStaysForTheNextRunOnly) {
  auto run = Open();
  for (const char* text : {"a", "b", "c"}) run->queue->Put(TextBatch(text));
  const auto a = run->queue->Take();
  const auto b = run->queue->Take();
  EXPECT_TRUE(run->queue->Return(*a, std::vector{a->batch}, true));
  EXPECT_TRUE(run->queue->Return(*b, std::vector{TextBatch("b1"), TextBatch("b2")}, false));
  EXPECT_FALSE(run->queue->Take());
  EXPECT_EQ(run->queue->state().waiting.requests, 4);
  run = nullptr;
  run = Open();
  EXPECT_EQ(run->Books().restored.requests, 4);
  const auto again = run->queue->Take();
  EXPECT_EQ(again->batch->bytes, "a");
  EXPECT_FALSE(again->redelivered) << "the end was orderly";
  run->queue->Finish(*again);
  EXPECT_THAT(run->Drain(), ElementsAre("c", "b1", "b2"));
}

TEST_F(DiskQueueTest, DropsTheOldestThatIsNotInFlight) {
  const auto run = Open({.queue_size = 2});
  run->queue->Put(TextBatch("a"));
  const auto a = run->queue->Take();
  for (const char* text : {"b", "c", "d"}) EXPECT_EQ(run->queue->Put(TextBatch(text, 1, 5)), PutResult::kTaken);
  EXPECT_EQ(run->Books().Dropped(DropReason::kQueueFull), (Amount{1, 1, 5}));
  run->queue->Finish(*a);
  EXPECT_THAT(run->Drain(), ElementsAre("c", "d"));
}

TEST_F(DiskQueueTest, RefusesWhenToldTo) {
  const auto run = Open({.queue_size = 1, .overflow = Overflow::kRefuse});
  EXPECT_EQ(run->queue->Put(TextBatch("a")), PutResult::kTaken);
  EXPECT_EQ(run->queue->Put(TextBatch("b")), PutResult::kFull);
  EXPECT_THAT(run->Drain(), ElementsAre("a"));
  EXPECT_EQ(run->queue->Put(TextBatch("c")), PutResult::kTaken);
}

TEST_F(DiskQueueTest, TheFileStaysWithinTheCap) {
  storage_.max_size_mib = 8;
  const auto run = Open({.queue_size = 1'000'000});
  size_t next = 1;
  for (int i = 0; i < 400; ++i) {
    next = next * 1103515245 + 12345;
    run->queue->Put(TextBatch(Text(next % 300'000)));
    EXPECT_LE(run->queue->state().bytes, 8 * kMiB);
    // The WAL and the unused ends of pages come on top.
    ASSERT_LE(SizeOnDisk(), 8 * kMiB * 5 / 4 + 8 * kMiB);
    if (i % 7 == 0) run->queue->Finish(*run->queue->Take());
  }
  EXPECT_GT(run->Books().Dropped(DropReason::kQueueFull).requests, 100);
  EXPECT_EQ(run->queue->Put(TextBatch(Text(8 * kMiB + 1))), PutResult::kTooLarge);
  EXPECT_EQ(run->queue->Put(TextBatch(Text(8 * kMiB))), PutResult::kTaken);
  EXPECT_EQ(run->queue->state().waiting.requests, 1);
}

TEST_F(DiskQueueTest, WhatInFlightBatchesLeaveNoRoomForWaitsInMemory) {
  storage_.max_size_mib = 1;
  const auto run = Open();
  run->queue->Put(TextBatch(Text(kMiB - 1000)));
  const auto item = run->queue->Take();
  EXPECT_EQ(run->queue->Put(TextBatch(Text(5000))), PutResult::kTaken);
  EXPECT_EQ(run->queue->state().waiting.requests, 1);
  EXPECT_THAT(run->notices, IsEmpty());
  run->queue->Finish(*item);
  EXPECT_THAT(run->Drain(), ElementsAre(Text(5000)));
}

TEST_F(DiskQueueTest, TheFileShrinksOnceItIsEmpty) {
  const auto run = Open();
  for (int i = 0; i < 300; ++i) run->queue->Put(TextBatch(Text(100'000)));
  const int64_t full = SizeOnDisk();
  EXPECT_GT(full, 28 * kMiB);
  run->Drain();
  EXPECT_LT(SizeOnDisk(), full / 2);
}

TEST_F(DiskQueueTest, NobodyElseCanReadIt) {
  const auto run = Open();
  run->queue->Put(TextBatch("a"));
  for (const auto& entry : std::filesystem::directory_iterator(scratch_.path())) {
    struct stat info {};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 077, 0U) << entry.path();
  }
}

TEST_F(DiskQueueTest, IsLockedAgainstASecondOwner) {
  const auto run = Open();
  run->queue->Put(TextBatch("a"));
  const auto second = Open();
  EXPECT_EQ(second->status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(second->status)), HasSubstr(Path()));
  EXPECT_THAT(std::string(Message(second->status)), HasSubstr("locked by another process"));
  EXPECT_THAT(run->Drain(), ElementsAre("a"));
}

TEST_F(DiskQueueTest, IsLockedAgainstAnotherProcess) {
  const auto run = Open();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto second = Open();
    ::_exit(second->status.code() == absl::StatusCode::kUnavailable ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  // The child's attempt must not have freed our lock.
  EXPECT_EQ(run->queue->Put(TextBatch("a")), PutResult::kTaken);
}

class DiskQueueFaultTest : public DiskQueueTest {
 protected:
  SqliteFaults faults_;
};

TEST_F(DiskQueueFaultTest, AFullDiskIsBridgedByMemoryAndToldOnce) {
  const auto run = Open();
  run->queue->Put(TextBatch("a"));
  faults_.FailWrites(ENOSPC);
  for (const char* text : {"b", "c", "d"}) EXPECT_EQ(run->queue->Put(TextBatch(text)), PutResult::kTaken);
  ASSERT_EQ(run->notices.size(), 1U);
  EXPECT_THAT(run->notices[0], HasSubstr("full"));
  EXPECT_THAT(run->notices[0], HasSubstr(Path()));
  EXPECT_TRUE(run->queue->state().degraded);
  EXPECT_EQ(run->queue->state().waiting.requests, 4);
  // What is on the full disk still leaves.
  auto item = run->queue->Take();
  EXPECT_EQ(item->batch->bytes, "a");
  run->queue->Finish(*item);
  faults_.FailWrites(0);
  run->queue->Put(TextBatch("e"));
  ASSERT_EQ(run->notices.size(), 2U);
  EXPECT_THAT(run->notices[1], HasSubstr("can be written again"));
  EXPECT_FALSE(run->queue->state().degraded);
  EXPECT_EQ(run->Books().TotalDropped(), Amount{});
  run->queue->Close();
  const auto next = Open();
  EXPECT_THAT(next->Drain(), ElementsAre("b", "c", "d", "e"));
}

TEST_F(DiskQueueFaultTest, TheMemoryIsBoundedAndTheOldestInItGoesFirst) {
  const auto run = Open();
  faults_.FailWrites(ENOSPC);
  for (char c = 'a'; c <= 'f'; ++c) run->queue->Put(TextBatch(Text(kMiB, c), 2, 10));
  EXPECT_EQ(run->Books().Dropped(DropReason::kDiskFull), (Amount{2, 4, 20}));
  run->queue->Put(TextBatch(Text(DiskQueue::kFallbackBytes + 1)));
  EXPECT_EQ(run->Books().Dropped(DropReason::kDiskFull).requests, 7) << "too large for the memory: itself too";
  EXPECT_EQ(run->queue->state().waiting, Amount{});
}

TEST_F(DiskQueueFaultTest, InputOutputErrorsAreTheSameUnderTheirName) {
  const auto run = Open({.overflow = Overflow::kRefuse});
  faults_.FailWrites(EIO);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(run->queue->Put(TextBatch(Text(kMiB))), PutResult::kTaken);
  EXPECT_EQ(run->queue->Put(TextBatch("x")), PutResult::kFull);
  EXPECT_THAT(run->notices, ElementsAre(HasSubstr("Input/output error")));
  run->queue->Close();
  EXPECT_EQ(run->Books().Dropped(DropReason::kShutdown).requests, 4);
}

TEST_F(DiskQueueFaultTest, ADecidedBatchThatCantBeRemovedIsNotGivenOutAgain) {
  auto run = Open();
  run->queue->Put(TextBatch("a"));
  run->queue->Put(TextBatch("b"));
  faults_.FailWrites(EIO);
  EXPECT_THAT(run->Drain(), ElementsAre("a", "b"));
  EXPECT_EQ(run->queue->state().waiting, Amount{});
  faults_.FailWrites(0);
  run->queue->Put(TextBatch("c"));
  run = nullptr;
  EXPECT_THAT(Open()->Drain(), ElementsAre("c"));
}

TEST_F(DiskQueueFaultTest, ARowThatCantBeReadIsTriedAgainAndThenDropped) {
  auto run = Open();
  // Larger than SQLite's cache, so that it must be read. (EIO would count as damage.)
  for (char c = 'a'; c <= 'c'; ++c) run->queue->Put(TextBatch(Text(kMiB, c), 1, 8));
  faults_.FailReads(ESTALE);
  EXPECT_FALSE(run->queue->Take());
  faults_.FailReads(0);
  auto item = run->queue->Take();
  ASSERT_TRUE(item);
  EXPECT_EQ(item->batch->bytes[0], 'a');
  run->queue->Finish(*item);
  faults_.FailReads(ESTALE);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(run->queue->Take());
  EXPECT_EQ(run->Books().Dropped(DropReason::kDiskError), (Amount{1, 1, 8}));
  faults_.FailReads(0);
  EXPECT_THAT(run->Drain(), ElementsAre(Text(kMiB, 'c')));
}

TEST_F(DiskQueueFaultTest, BeginsWithoutADiskAndFindsItLater) {
  {
    const auto run = Open();
    run->queue->Put(TextBatch("old"));
  }
  faults_.FailWrites(ENOSPC);
  faults_.FailReads(EIO);
  const auto run = Open();
  ASSERT_TRUE(run->status.ok()) << run->status;
  EXPECT_TRUE(run->queue->state().degraded);
  EXPECT_EQ(run->queue->Put(TextBatch("new")), PutResult::kTaken);
  faults_.FailWrites(0);
  faults_.FailReads(0);
  EXPECT_EQ(run->Books().restored, Amount{});
  clock_.Advance(absl::Seconds(2));
  run->queue->Put(TextBatch("newer"));
  EXPECT_EQ(run->Books().restored.requests, 1);
  EXPECT_THAT(run->Drain(), ElementsAre("old", "new", "newer"));
  EXPECT_FALSE(run->queue->state().degraded);
}

TEST_F(DiskQueueTest, ADatabaseThatMayNotGrowIsAFullDisk) {
  const auto run = Open({}, 64);
  for (int i = 0; i < 10; ++i) run->queue->Put(TextBatch(Text(40'000)));
  EXPECT_THAT(run->notices, ElementsAre(HasSubstr("full")));
  EXPECT_EQ(run->queue->state().waiting.requests, 10);
  EXPECT_EQ(run->Drain().size(), 10U);
  EXPECT_EQ(run->notices.size(), 2U);
}

class DamagedFileTest : public DiskQueueTest {
 protected:
  // Three batches of 50 KB in the file, without a WAL.
  void SetUp() override {
    const auto run = Open();
    for (char c = 'a'; c <= 'c'; ++c) run->queue->Put(TextBatch(Text(50'000, c), 1, 4));
  }
  void Overwrite(int64_t offset, std::string_view with) {
    std::fstream file(Path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file << with;
  }
  int64_t Find(std::string_view what) {
    std::ifstream file(Path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    return static_cast<int64_t>(content.find(what));
  }
  std::string Aside() const { return Path() + ".corrupt"; }
};

TEST_F(DamagedFileTest, AFileThatIsNoDatabaseIsSetAside) {
  Overwrite(0, "this is not a database");
  const auto run = Open();
  ASSERT_TRUE(run->status.ok()) << run->status;
  EXPECT_THAT(run->notices, ElementsAre(HasSubstr(Aside())));
  EXPECT_TRUE(std::filesystem::exists(Aside()));
  EXPECT_THAT(run->metrics.RenderPrometheus(),
              HasSubstr("kiln_pipeline_storage_set_aside_total{exporter=\"otlp\",signal=\"logs\"} 1"));
  run->queue->Put(TextBatch("new"));
  EXPECT_THAT(run->Drain(), ElementsAre("new"));
}

TEST_F(DamagedFileTest, DamageInOneBatchLosesThatOne) {
  Overwrite(Find(Text(1000, 'b')) + 10, "damage");
  const auto run = Open();
  EXPECT_THAT(run->Drain(), ElementsAre(Text(50'000, 'a'), Text(50'000, 'c')));
  EXPECT_EQ(run->Books().Dropped(DropReason::kCorruptStorage), (Amount{1, 1, 4}));
  EXPECT_THAT(run->notices, ElementsAre(HasSubstr("damaged")));
}

TEST_F(DamagedFileTest, DamageThatShowsLaterIsCountedInFull) {
  const auto run = Open();
  const auto item = run->queue->Take();
  // Pages of the tree: nothing below makes sense any more. The cache holds some of them, but not all.
  for (int64_t page = 3; page * 4096 < static_cast<int64_t>(std::filesystem::file_size(Path())); ++page) {
    Overwrite(page * 4096, Text(4096, '\xff'));
  }
  for (int i = 0; i < 10 && run->queue->Take(); ++i) {
  }
  run->queue->Put(TextBatch("new"));
  const Ledger books = run->Books();
  EXPECT_EQ(books.restored.weight, 12);
  EXPECT_EQ(books.Dropped(DropReason::kCorruptStorage).weight, 8) << books.Dump();
  run->queue->Finish(*item);
}

TEST_F(DamagedFileTest, ATruncatedFileIsSetAside) {
  std::filesystem::resize_file(Path(), 3 * 4096);
  const auto run = Open();
  ASSERT_TRUE(run->status.ok());
  run->Drain();
  const Ledger books = run->Books();
  EXPECT_EQ(books.restored.weight, books.Dropped(DropReason::kCorruptStorage).weight) << books.Dump();
  run->queue->Put(TextBatch("new"));
  EXPECT_THAT(run->Drain(), ElementsAre("new"));
}

TEST_F(DamagedFileTest, DatabasesOfOthersAreLeftAlone) {
  Overwrite(68, "zzzz");  // application_id
  auto run = Open();
  EXPECT_EQ(run->status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(run->status)), HasSubstr("not a queue of kiln"));
  Overwrite(68, "kiln");
  Overwrite(60, std::string_view("\0\0\0\2", 4));  // user_version
  run = Open();
  EXPECT_EQ(run->status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(run->status)), HasSubstr("format 2"));
  EXPECT_FALSE(std::filesystem::exists(Aside()));
  Overwrite(60, std::string_view("\0\0\0\1", 4));
  EXPECT_EQ(Open()->Drain().size(), 3U);
}

}  // namespace
}  // namespace kiln::pipeline
