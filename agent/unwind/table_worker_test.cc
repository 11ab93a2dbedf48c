// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "agent/unwind/table_page.h"
#include "agent/unwind/testing/temp_folder.h"
#include "agent/unwind/testing/unowned.h"
#include "base/file.h"

namespace kiln::agent {
namespace {

class TableWorkerTest : public ::testing::Test {
 protected:
  // `pages` pages of each of `tables` tables, all of this program.
  void Request(TableWorker& worker, uint32_t tables, uint32_t pages) {
    for (uint32_t page = 0; page < pages; ++page) {
      for (uint32_t table = 0; table < tables; ++table)
        worker.Compile({.table = table, .elf = Unowned(elf_), .places = places_, .page = page});
    }
  }

  const std::shared_ptr<const DebugFilePlaces> places_ = std::make_shared<DebugFilePlaces>();
  const symbolizer::ElfFile elf_ = *symbolizer::ElfFile::Open(*File::Open("/proc/self/exe"));
};

TEST_F(TableWorkerTest, MakesEachPageThatWasAskedForOnce) {
  TableWorker worker([] {}, "");
  worker.SetAhead(false);
  Request(worker, 2, 4);
  worker.Finish();
  const TableWorker::Results results = worker.Take();
  std::set<std::pair<uint32_t, uint32_t>> made;
  for (const CompiledPage& page : results.pages) {
    EXPECT_TRUE(made.emplace(page.table, page.page).second);
    EXPECT_TRUE(ValidatePage(page.words).ok()) << ValidatePage(page.words);
  }
  EXPECT_EQ(made.size(), 8u);
  EXPECT_FALSE(results.readers_gone);
  EXPECT_TRUE(worker.Take().pages.empty());
  EXPECT_EQ(worker.counts().tables, 2u);
  EXPECT_EQ(worker.counts().pages, 8u);
}

TEST_F(TableWorkerTest, APageThatTheFileDoesNotHaveComesBackEmpty) {
  TableWorker worker([] {}, "");
  worker.SetAhead(false);
  worker.Compile({.table = 0, .elf = Unowned(elf_), .places = places_, .page = 1u << 20});
  worker.Finish();
  const TableWorker::Results results = worker.Take();
  ASSERT_EQ(results.pages.size(), 1u);
  EXPECT_TRUE(results.pages[0].words.empty());
  EXPECT_EQ(worker.counts().failed_pages, 1u);
}

TEST_F(TableWorkerTest, MakesLikelyPagesOnceAlsoWhenTheyAreHurried) {
  TableWorker worker([] {}, "");
  worker.SetAhead(false);
  for (uint32_t page = 0; page < 6; ++page) {
    worker.CompileLikely({.table = 0, .elf = Unowned(elf_), .places = places_, .page = page});
    worker.Hurry(0, page / 2);
  }
  worker.Hurry(7, 7);  // which nobody has asked for
  worker.Finish();
  std::multiset<uint32_t> made;
  for (const CompiledPage& page : worker.Take().pages) made.insert(page.page);
  EXPECT_EQ(made, (std::multiset<uint32_t>{0, 1, 2, 3, 4, 5}));
}

TEST_F(TableWorkerTest, TakesWhatTheCacheHasOfATable) {
  const testing::TempFolder folder;
  {
    TableWorker worker([] {}, folder.path());
    worker.SetAhead(false);
    Request(worker, 1, 4);
    worker.Finish();
  }
  std::atomic<int> wakes = 0;
  TableWorker worker([&] { ++wakes; }, folder.path());
  worker.TakeCached({.table = 0, .elf = Unowned(elf_), .places = places_, .page = 0});
  worker.Finish();
  const TableWorker::Results results = worker.Take();
  EXPECT_TRUE(results.pages.empty());
  std::set<uint32_t> taken;
  for (const CompiledPage& page : results.ahead) taken.insert(page.page);
  EXPECT_EQ(taken, (std::set<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(worker.counts().cached_pages, 4u);
  EXPECT_EQ(worker.counts().pages, 0u) << "nobody has run it";
  EXPECT_GE(wakes.load(), 1);
}

TEST_F(TableWorkerTest, TellsWhenReadersAreGoneAndWakes) {
  std::atomic<int> wakes = 0;
  TableWorker worker([&] { ++wakes; }, "");
  worker.AwaitReaders();
  worker.Finish();
  EXPECT_TRUE(worker.Take().readers_gone);
  EXPECT_GE(wakes.load(), 1);
  EXPECT_FALSE(worker.Take().readers_gone);
}

TEST_F(TableWorkerTest, FinishReturnsAtOnceWithoutWorkAndMayBeRepeated) {
  TableWorker worker([] {}, "");
  worker.Finish();
  worker.Finish();
  Request(worker, 1, 1);
  worker.Finish();
  worker.Finish();
  EXPECT_EQ(worker.Take().pages.size(), 1u);
}

TEST_F(TableWorkerTest, MakesPagesAheadOfFilesThatSomeWereAskedOf) {
  TableWorker worker([] {}, "");
  Request(worker, 1, 1);
  std::set<uint32_t> ahead;
  while (ahead.size() < 3) {
    for (const CompiledPage& page : worker.Take().ahead) {
      EXPECT_EQ(page.table, 0u);
      EXPECT_TRUE(ahead.insert(page.page).second);
    }
    std::this_thread::yield();
  }
  EXPECT_FALSE(ahead.contains(0));
}

TEST_F(TableWorkerTest, EndsUnderLoad) {
  for (int i = 0; i < 20; ++i) {
    TableWorker worker([] {}, "");
    Request(worker, 2, static_cast<uint32_t>(i));
    if (i % 2 == 0) worker.AwaitReaders();
    if (i % 3 == 0) worker.Take();
  }
}

TEST_F(TableWorkerTest, TakesRequestsFromSeveralThreadsWhileResultsAreTaken) {
  std::atomic<size_t> woken = 0;
  TableWorker worker([&] { ++woken; }, "");
  std::vector<std::thread> threads;
  for (uint32_t table = 0; table < 3; ++table) {
    threads.emplace_back([&, table] {
      for (uint32_t page = 0; page < 6; ++page) {
        worker.Compile({.table = table, .elf = Unowned(elf_), .places = places_, .page = page});
        worker.AwaitReaders();
        (void)worker.counts();
      }
    });
  }
  size_t taken = 0;
  for (int i = 0; i < 100; ++i) taken += worker.Take().pages.size();
  for (std::thread& thread : threads) thread.join();
  worker.Finish();
  taken += worker.Take().pages.size();
  EXPECT_EQ(taken, 18u);
}

}  // namespace
}  // namespace kiln::agent
