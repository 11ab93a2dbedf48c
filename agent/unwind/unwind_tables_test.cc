// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/unwind_tables.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

#include "agent/unwind/table_page.h"
#include "agent/unwind/testing/page.h"
#include "agent/unwind/testing/unowned.h"
#include "base/file.h"
#include "bpf/registers.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::agent {
namespace {

// Nearly a value each, so that a chunk has room for 15 beside the directories.
const std::vector<uint32_t>& LargePage() {
  static const std::vector<uint32_t> page = testing::MakeLargePage(15800);
  return page;
}
constexpr uint32_t kLargePages = 15;

class UnwindTablesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    worker_.SetAhead(false);
    for (uint32_t object = 0; object < 8; ++object) {
      const auto table = Find(object);
      ASSERT_TRUE(table.ok()) << table.status();
      directories_.push_back(table->directory);
    }
    pages_each_ = memory_.At<kiln_directory>(directories_[0])->page_count;
    ASSERT_GE(pages_each_ * 8, 4 * kLargePages);
  }
  StatusOr<UnwindTables::Table> Find(uint32_t object) {
    return tables_.Find(object, Unowned(elf_), [] { return DebugFilePlaces(); });
  }
  PageId Id(uint32_t number) const { return {.table = number / pages_each_, .page = number % pages_each_}; }
  CompiledPage Page(uint32_t number) const {
    return {.table = Id(number).table, .page = Id(number).page, .tracked = KILN_X86_R12, .words = LargePage()};
  }
  kiln_ref Ref(uint32_t number) {
    return memory_.Words(directories_[Id(number).table])[offsetof(kiln_directory, pages) / 4 + Id(number).page];
  }
  bool IsLoaded(uint32_t number) { return Ref(number) > KILN_PAGE_NO_ROOM; }
  void Use(uint32_t number) { memory_.At<kiln_page>(Ref(number))->last_used = tables_.epoch(); }
  void AwaitReaders() {
    ASSERT_TRUE(shared_.BeginWait());
    shared_.ReadersGone();
  }
  void AwaitReadersIfAny() {
    if (shared_.BeginWait()) shared_.ReadersGone();
  }
  void Fill() {
    for (uint32_t i = 0; i < kLargePages; ++i) ASSERT_TRUE(tables_.Place(Page(i))) << i;
  }

  symbolizer::ElfFile elf_ = *symbolizer::ElfFile::Open(*File::Open("/proc/self/exe"));
  HeapChunks chunks_;
  TableMemory memory_{chunks_, 1 << 20};
  SharedMemory shared_{memory_};
  TableWorker worker_{[] {}, ""};
  UnwindTables tables_{shared_, worker_};
  std::vector<kiln_ref> directories_;
  uint32_t pages_each_ = 0;
};

TEST_F(UnwindTablesTest, ARequestedPageIsMadeOnceAndPutInPlace) {
  const PageId id = Id(0);
  EXPECT_EQ(tables_.Request(id), UnwindTables::Answer::kComes);
  EXPECT_EQ(tables_.Request(id), UnwindTables::Answer::kComes);
  worker_.Finish();
  const TableWorker::Results results = worker_.Take();
  ASSERT_EQ(results.pages.size(), 1u);
  EXPECT_TRUE(ValidatePage(results.pages[0].words).ok());
  EXPECT_TRUE(tables_.Place(results.pages[0]));
  EXPECT_TRUE(IsLoaded(0));
  EXPECT_EQ(tables_.counts().loaded_pages, 1u);
  EXPECT_EQ(tables_.counts().page_bytes, results.pages[0].words.size() * 4);
  EXPECT_EQ(tables_.Request(id), UnwindTables::Answer::kComes);  // it is there
  worker_.Finish();
  EXPECT_TRUE(worker_.Take().pages.empty());
}

TEST_F(UnwindTablesTest, ADirectoryIsMadeOncePerFile) {
  const uint64_t bytes = memory_.allocated_bytes();
  EXPECT_EQ(Find(3)->directory, directories_[3]);
  EXPECT_EQ(memory_.allocated_bytes(), bytes);
  const auto* directory = memory_.At<kiln_directory>(directories_[3]);
  EXPECT_EQ(directory->table, 3u);
  EXPECT_EQ(directory->tracked, KILN_NO_REGISTER);
  EXPECT_EQ(Find(3)->base.value() % (1 << KILN_PAGE_SHIFT), 0u);
}

TEST_F(UnwindTablesTest, PageOfFindsWhatADirectoryHas) {
  EXPECT_EQ(tables_.PageOf(directories_[2], 0), (PageId{2, 0}));
  EXPECT_EQ(tables_.PageOf(directories_[2], 0xffff), (PageId{2, 0}));
  EXPECT_EQ(tables_.PageOf(directories_[2], 0x10000), (PageId{2, 1}));
  EXPECT_EQ(tables_.PageOf(directories_[2], uint64_t{pages_each_} << KILN_PAGE_SHIFT), std::nullopt);
  EXPECT_EQ(tables_.PageOf(directories_[2], ~uint64_t{0}), std::nullopt);
  EXPECT_EQ(tables_.PageOf(~kiln_ref{0}, 0), std::nullopt);
}

TEST_F(UnwindTablesTest, WhatNoTableHasIsRefused) {
  EXPECT_EQ(tables_.Request({.table = 99, .page = 0}), UnwindTables::Answer::kFailed);
  EXPECT_EQ(tables_.Request({.table = 0, .page = pages_each_}), UnwindTables::Answer::kFailed);
}

TEST_F(UnwindTablesTest, AFileWithoutCodeIsAnErrorThatLasts) {
  symbolizer::testing::ElfBuilder builder;
  const auto elf = builder.Open();
  ASSERT_TRUE(elf.ok()) << elf.status();
  const auto table = tables_.Find(50, Unowned(*elf), [] { return DebugFilePlaces(); });
  EXPECT_TRUE(absl::IsNotFound(table.status())) << table.status();
}

TEST_F(UnwindTablesTest, ForgottenTablesGiveTheirMemoryBackAndCanComeAgain) {
  ASSERT_TRUE(tables_.Place(Page(0)));
  const PageId other{.table = 5, .page = 0};
  ASSERT_TRUE(tables_.Place({.table = 5, .page = 0, .tracked = KILN_NO_REGISTER, .words = LargePage()}));
  AwaitReadersIfAny();
  const uint64_t before = memory_.allocated_bytes();
  tables_.ForgetAllBut({0, 1, 2, 3, 4});
  EXPECT_EQ(tables_.size(), 5u);
  EXPECT_EQ(memory_.allocated_bytes(), before);  // walks may still read it
  AwaitReaders();
  EXPECT_LT(memory_.allocated_bytes() + LargePage().size() * sizeof(uint32_t), before);
  EXPECT_EQ(tables_.counts().loaded_pages, 1u);
  EXPECT_TRUE(IsLoaded(0));
  EXPECT_FALSE(tables_.Lacks(other));
  EXPECT_EQ(tables_.Request(other), UnwindTables::Answer::kFailed);
  // A page that was under way to the worker's results finds no table any more.
  EXPECT_TRUE(tables_.Place({.table = 5, .page = 1, .tracked = KILN_NO_REGISTER, .words = LargePage()}));
  EXPECT_EQ(tables_.counts().loaded_pages, 1u);
  ASSERT_TRUE(Find(5).ok());
  EXPECT_TRUE(tables_.Lacks(other));
}

TEST_F(UnwindTablesTest, TablesWithPagesUnderWayAreNotForgotten) {
  ASSERT_EQ(tables_.Request(Id(0)), UnwindTables::Answer::kComes);
  tables_.ForgetAllBut({});
  EXPECT_EQ(tables_.size(), 1u);
  EXPECT_TRUE(tables_.Lacks(Id(0)));
}

TEST_F(UnwindTablesTest, APageThatCannotBeMadeIsMarkedAndNotAskedForAgain) {
  CompiledPage page = Page(1);
  page.words.clear();
  EXPECT_TRUE(tables_.Place(page));
  EXPECT_EQ(Ref(1), kiln_ref{KILN_PAGE_FAILED});
  EXPECT_EQ(tables_.Request(Id(1)), UnwindTables::Answer::kFailed);
}

TEST_F(UnwindTablesTest, TheTrackedRegisterIsKnownBeforeThePage) {
  ASSERT_TRUE(tables_.Place(Page(0)));
  EXPECT_EQ(memory_.At<kiln_directory>(directories_[0])->tracked, KILN_X86_R12);
}

TEST_F(UnwindTablesTest, IdlePagesMakeRoomAfterAWaitForReaders) {
  const std::set<uint32_t> idle = {4, 7, 11};
  ASSERT_NO_FATAL_FAILURE(Fill());
  for (int period = 0; period < 3; ++period) {
    tables_.NextEpoch();
    for (uint32_t i = 0; i < kLargePages; ++i) {
      if (!idle.contains(i)) Use(i);
    }
  }
  EXPECT_FALSE(tables_.Place(Page(20)));
  // An eighth of the memory.
  for (uint32_t i = 0; i < kLargePages; ++i) EXPECT_EQ(IsLoaded(i), !idle.contains(i)) << i;
  EXPECT_EQ(tables_.counts().evicted_pages, 3u);
  EXPECT_FALSE(tables_.Place(Page(20)));  // it is not free yet, and no reason to evict more
  EXPECT_EQ(tables_.counts().evicted_pages, 3u);
  EXPECT_TRUE(tables_.is_short());
  ASSERT_NO_FATAL_FAILURE(AwaitReaders());
  EXPECT_TRUE(tables_.Place(Page(20)));
  EXPECT_TRUE(IsLoaded(20));
  EXPECT_EQ(tables_.counts().loaded_pages, kLargePages - 2u);
  EXPECT_EQ(tables_.Request(Id(4)), UnwindTables::Answer::kComes);  // to be made again
}

TEST_F(UnwindTablesTest, PagesInUseGiveWayToThoseThatAreMissedOftenTheColdestFirst) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  for (int period = 0; period < 5; ++period) {
    tables_.NextEpoch();
    for (uint32_t i = 0; i < kLargePages; ++i) {
      if ((i != 9 && i != 12) || period != 3) Use(i);
    }
  }
  EXPECT_TRUE(tables_.Place(Page(30)));  // what is free lies in holes
  EXPECT_TRUE(tables_.is_short());
  const auto miss = [&](uint32_t page, int times) {
    for (int i = 0; i < times; ++i) EXPECT_EQ(tables_.Request(Id(page)), UnwindTables::Answer::kNoRoom) << page;
  };
  for (uint32_t page = 20; page < 26; ++page) miss(page, 3);
  EXPECT_EQ(tables_.counts().refused_pages, 7u);
  // What may go in a period is room for four.
  for (uint32_t page = 21; page < 25; ++page) {
    EXPECT_EQ(tables_.Request(Id(page)), UnwindTables::Answer::kComes) << page;
  }
  miss(25, 1);
  EXPECT_FALSE(tables_.Place(Page(21)));
  EXPECT_FALSE(IsLoaded(9));
  EXPECT_FALSE(IsLoaded(12));
  EXPECT_EQ(tables_.counts().evicted_pages, 3u);  // an eighth at a time
  ASSERT_NO_FATAL_FAILURE(AwaitReaders());
  for (uint32_t page = 21; page < 24; ++page) {
    EXPECT_TRUE(tables_.Place(Page(page)));
    EXPECT_TRUE(IsLoaded(page)) << page;
  }
  // The next period has room for others.
  for (uint32_t i = 0; i < kLargePages; ++i) {
    if (IsLoaded(i)) Use(i);
  }
  tables_.NextEpoch();
  EXPECT_EQ(Ref(25), kiln_ref{KILN_PAGE_MISSING});
  EXPECT_EQ(tables_.Request(Id(25)), UnwindTables::Answer::kComes);
  EXPECT_EQ(Ref(20), kiln_ref{KILN_PAGE_NO_ROOM});
  EXPECT_TRUE(tables_.is_short());
}

TEST_F(UnwindTablesTest, WithNothingMissedForAPeriodTheShortageIsOver) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  EXPECT_TRUE(tables_.Place(Page(20)));
  EXPECT_EQ(Ref(20), kiln_ref{KILN_PAGE_NO_ROOM});
  EXPECT_TRUE(tables_.is_short());
  for (int period = 0; period < 3; ++period) {
    tables_.NextEpoch();
    for (uint32_t i = 0; i < kLargePages; ++i) Use(i);
  }
  EXPECT_FALSE(tables_.is_short());
  EXPECT_EQ(Ref(20), kiln_ref{KILN_PAGE_MISSING});
}

TEST_F(UnwindTablesTest, OtherRetirementsDoNotHoldEvictionBack) {
  // In a storm of processes something is always retired or waited for.
  ASSERT_NO_FATAL_FAILURE(Fill());
  const auto retire = [&] {
    if (const auto ref = memory_.Allocate(64)) shared_.Retire(*ref, 64);
  };
  retire();
  for (int period = 0; period < 3; ++period) tables_.NextEpoch();
  bool placed = false;
  for (int round = 0; round < 4 && !placed; ++round) {
    placed = tables_.Place(Page(20));
    shared_.BeginWait();
    retire();
    shared_.ReadersGone();
    retire();
  }
  EXPECT_TRUE(placed);
  EXPECT_TRUE(IsLoaded(20));
}

TEST_F(UnwindTablesTest, WithoutAnythingToEvictAPageIsRefusedWithoutBeingMadeAgain) {
  while (memory_.Allocate(KILN_VALUE_BYTES)) {
  }
  EXPECT_EQ(tables_.Request(Id(0)), UnwindTables::Answer::kComes);
  EXPECT_TRUE(tables_.Place(Page(0)));
  EXPECT_EQ(Ref(0), kiln_ref{KILN_PAGE_NO_ROOM});
  EXPECT_EQ(tables_.Request(Id(0)), UnwindTables::Answer::kNoRoom);
  EXPECT_EQ(tables_.Request(Id(1)), UnwindTables::Answer::kNoRoom);
  EXPECT_EQ(tables_.counts().refused_pages, 2u);
  worker_.Finish();
  EXPECT_EQ(worker_.Take().pages.size(), 1u);
}

TEST_F(UnwindTablesTest, WhatWasMadeAheadAndNotUsedGoesFirst) {
  for (uint32_t i = 0; i < kLargePages; ++i) {
    ASSERT_TRUE(i == 3 ? tables_.PlaceAhead(Page(i)) : tables_.Place(Page(i)));
  }
  EXPECT_FALSE(tables_.PlaceAhead(Page(20)));  // no reason to evict any
  EXPECT_EQ(tables_.counts().evicted_pages, 0u);
  EXPECT_FALSE(tables_.Place(Page(20)));
  EXPECT_FALSE(IsLoaded(3));
}

TEST_F(UnwindTablesTest, ADirectoryWithoutRoomIsToBeTriedAgain) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  while (memory_.Allocate(kGranuleBytes)) {
  }
  EXPECT_TRUE(absl::IsUnavailable(Find(60).status()));
  ASSERT_NO_FATAL_FAILURE(AwaitReaders());
  EXPECT_TRUE(Find(60).ok());
}

}  // namespace
}  // namespace kiln::agent
