// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/unwind/testing/page.h"
#include "agent/unwind/testing/temp_folder.h"

namespace kiln::agent {
namespace {

using ::testing::HasSubstr;
using testing::MakeLargePage;

constexpr TableFacts kFacts{.base = ElfAddress(0), .page_count = 4};

TableKey KeyOf(int number) {
  return MakeTableKey(fmt::format("00112233445566778899aabbccdd{:04x}", number), {.size = 1, .ends_hash = 2},
                      kHostMachine);
}

class TableCacheTest : public ::testing::Test {
 protected:
  std::string PathOf(const TableKey& key) const { return temp_.Path(TableFileName(key)); }
  void SetMtime(const TableKey& key, time_t seconds) const {
    const timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    ASSERT_EQ(::utimensat(AT_FDCWD, PathOf(key).c_str(), times, 0), 0);
  }
  uint64_t FolderBytes() const {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(temp_.path())) bytes += entry.file_size();
    return bytes;
  }
  static void StorePage(TableCache& cache, const TableKey& key, uint32_t index, uint32_t rows = 10) {
    const std::vector<uint32_t> words = MakeLargePage(rows);
    const TableCache::Page page{.index = index, .words = words};
    cache.Store(key, kFacts, {&page, 1});
  }
  // The rows that the page has; 0 if it isn't there.
  static size_t RowsOf(const TableFile& table, uint32_t index) {
    std::vector<uint32_t> words(table.page_words(index));
    return words.empty() || !table.ReadPage(index, words).ok() ? 0 : CountRows(words).rows;
  }
  static void Flip(const std::string& path, std::streamoff at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(at);
    file.put(byte);
    ASSERT_TRUE(file.good());
  }
  testing::TempFolder temp_;
};

TEST_F(TableCacheTest, FindsWhatAnotherOneStored) {
  TableCache(temp_.path()).Find(KeyOf(1));
  TableCache writer(temp_.path());
  StorePage(writer, KeyOf(1), 2, 33);
  TableCache cache(temp_.path());
  const std::optional<TableFile> table = cache.Find(KeyOf(1));
  ASSERT_TRUE(table.has_value());
  EXPECT_EQ(table->facts(), kFacts);
  EXPECT_EQ(RowsOf(*table, 2), 33u);
  EXPECT_FALSE(cache.Find(KeyOf(2)));
  EXPECT_EQ(cache.counts().hits, 1u);
  EXPECT_EQ(cache.counts().misses, 1u);
  EXPECT_EQ(writer.counts().stored_files, 1u);
  EXPECT_TRUE(cache.status().ok());
}

TEST_F(TableCacheTest, CompletesATableOverTime) {
  TableCache cache(temp_.path());
  StorePage(cache, KeyOf(1), 0, 10);
  const TableCache::Page failed{.index = 3};
  cache.Store(KeyOf(1), kFacts, {&failed, 1});
  StorePage(cache, KeyOf(1), 2, 12);
  StorePage(cache, KeyOf(1), 0, 99);  // anew
  const std::optional<TableFile> table = cache.Find(KeyOf(1));
  EXPECT_EQ(RowsOf(*table, 0), 99u);
  EXPECT_EQ(table->page_state(1), PageState::kMissing);
  EXPECT_EQ(RowsOf(*table, 2), 12u);
  EXPECT_EQ(table->page_state(3), PageState::kFailed);
  EXPECT_EQ(table->counts().rows, 111u);
}

TEST_F(TableCacheTest, PagesOfAnotherLayoutAreNotKept) {
  TableCache cache(temp_.path());
  StorePage(cache, KeyOf(1), 0);
  const std::vector<uint32_t> words = MakeLargePage(5);
  const TableCache::Page page{.index = 1, .words = words};
  TableFacts other = kFacts;
  other.base = ElfAddress(0x10000);
  cache.Store(KeyOf(1), other, {&page, 1});
  EXPECT_EQ(cache.Find(KeyOf(1))->page_state(0), PageState::kMissing);
  EXPECT_EQ(cache.Find(KeyOf(1))->facts(), other);
}

TEST_F(TableCacheTest, LeavesOutPagesThatAreNone) {
  TableCache cache(temp_.path());
  const std::vector<uint32_t> good = MakeLargePage(5);
  std::vector<uint32_t> bad = good;
  bad.resize(140);
  const TableCache::Page pages[] = {{.index = 0, .words = bad},
                                    {.index = 1, .words = good},
                                    {.index = 1, .words = good},
                                    {.index = 4, .words = good}};
  cache.Store(KeyOf(1), kFacts, pages);
  EXPECT_EQ(cache.counts().refused_pages, 3u);
  EXPECT_EQ(cache.Find(KeyOf(1))->counts().rows, 5u);
  EXPECT_TRUE(cache.status().ok());
}

// Any byte of the file: a damaged header or directory is a miss and goes away, a damaged page is found by its reader.
TEST_F(TableCacheTest, DamageIsAMiss) {
  TableCache cache(temp_.path());
  StorePage(cache, KeyOf(1), 1);
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(PathOf(KeyOf(1))));
  const std::string copy = temp_.Path("copy");
  std::filesystem::copy_file(PathOf(KeyOf(1)), copy);
  uint64_t misses = 0;
  for (std::streamoff at = 0; at < size; ++at) {
    std::filesystem::copy_file(copy, PathOf(KeyOf(1)), std::filesystem::copy_options::overwrite_existing);
    Flip(PathOf(KeyOf(1)), at);
    const std::optional<TableFile> table = cache.Find(KeyOf(1));
    if (table) {
      ASSERT_EQ(RowsOf(*table, 1), 0u) << at;
      cache.Discard(KeyOf(1));
    } else {
      ++misses;
    }
  }
  const TableCacheCounts& counts = cache.counts();
  EXPECT_EQ(counts.misses, misses);
  EXPECT_GT(counts.other_version, 0u);
  EXPECT_EQ(counts.damaged_files + counts.other_version + counts.other_file, static_cast<uint64_t>(size));
  EXPECT_TRUE(cache.status().ok());
}

TEST_F(TableCacheTest, DamagedPagesAreNotCarriedOn) {
  TableCache cache(temp_.path());
  StorePage(cache, KeyOf(1), 0, 50);
  StorePage(cache, KeyOf(1), 1, 51);
  // The page that was written last lies last.
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(PathOf(KeyOf(1))));
  Flip(PathOf(KeyOf(1)), size - 4);
  StorePage(cache, KeyOf(1), 2, 52);
  EXPECT_EQ(cache.counts().damaged_pages, 1u);
  const std::optional<TableFile> table = cache.Find(KeyOf(1));
  EXPECT_EQ(RowsOf(*table, 0) + RowsOf(*table, 1), 51u);
  EXPECT_EQ(RowsOf(*table, 2), 52u);
}

TEST_F(TableCacheTest, AnotherVersionIsAMissAndIsReplaced) {
  TableCache cache(temp_.path());
  StorePage(cache, KeyOf(1), 0);
  Flip(PathOf(KeyOf(1)), offsetof(TableFileHeader, format));
  EXPECT_FALSE(cache.Find(KeyOf(1)));
  EXPECT_EQ(cache.counts().other_version, 1u);
  StorePage(cache, KeyOf(1), 1);
  EXPECT_EQ(cache.Find(KeyOf(1))->page_state(0), PageState::kMissing);
  EXPECT_EQ(cache.Find(KeyOf(1))->page_state(1), PageState::kCompiled);
}

TEST_F(TableCacheTest, TheSameBuildIdOfAnotherFileIsAMiss) {
  TableCache cache(temp_.path());
  StorePage(cache, KeyOf(1), 0);
  TableKey other = KeyOf(1);
  other.file.ends_hash = 3;
  EXPECT_FALSE(cache.Find(other));
  EXPECT_EQ(cache.counts().other_file, 1u);
  StorePage(cache, other, 1);
  EXPECT_EQ(cache.Find(other)->page_state(0), PageState::kMissing);
}

TEST_F(TableCacheTest, StaysWithinItsBound) {
  constexpr uint64_t kLimit = 64 * 4096;
  TableCache cache(temp_.path(), kLimit);
  for (int i = 0; i < 200; ++i) {
    StorePage(cache, KeyOf(i), 0, 500);
    ASSERT_LE(FolderBytes(), kLimit) << i;
  }
  EXPECT_GT(cache.counts().evicted_files, 100u);
  EXPECT_GT(FolderBytes(), kLimit / 2);
}

TEST_F(TableCacheTest, TheLeastRecentlyUsedGoesFirst) {
  constexpr uint64_t kLimit = 16 * 4096;
  {
    TableCache cache(temp_.path());
    for (int i = 0; i < 16; ++i) StorePage(cache, KeyOf(i), 0);
    for (int i = 0; i < 16; ++i) SetMtime(KeyOf(i), 1000 + i);
  }
  TableCache cache(temp_.path(), kLimit);
  ASSERT_TRUE(cache.Find(KeyOf(0)));
  StorePage(cache, KeyOf(100), 0);
  EXPECT_TRUE(cache.Find(KeyOf(0)));
  EXPECT_TRUE(cache.Find(KeyOf(100)));
  EXPECT_TRUE(cache.Find(KeyOf(15)));
  EXPECT_FALSE(cache.Find(KeyOf(1)));
  EXPECT_FALSE(cache.Find(KeyOf(2)));
  EXPECT_EQ(cache.counts().evicted_files, 3u);
}

TEST_F(TableCacheTest, OnlyItsOwnFilesAreRemoved) {
  const std::string foreign = temp_.Path("notes.unwind");
  ASSERT_TRUE(WriteFileAtomically(foreign, std::string(1 << 20, 'x')).ok());
  TableCache cache(temp_.path(), 4096);
  StorePage(cache, KeyOf(1), 0);
  StorePage(cache, KeyOf(2), 0);
  EXPECT_TRUE(std::filesystem::exists(foreign));
  EXPECT_EQ(cache.counts().evicted_files, 1u);
}

TEST_F(TableCacheTest, AFileLargerThanTheBoundIsNotStored) {
  TableCache cache(temp_.path(), 8192);
  StorePage(cache, KeyOf(1), 0);
  StorePage(cache, KeyOf(2), 0, 10000);
  EXPECT_EQ(cache.counts().too_large_files, 1u);
  EXPECT_TRUE(cache.Find(KeyOf(1)));
  EXPECT_FALSE(cache.Find(KeyOf(2)));
  TableCache none(temp_.path(), 0);
  StorePage(none, KeyOf(3), 0);
  EXPECT_EQ(FolderBytes(), 0u);
}

TEST_F(TableCacheTest, StaysOffWithOneNoteInAFolderThatIsNotSafe) {
  ASSERT_EQ(::chmod(temp_.path().c_str(), 0777), 0);
  TableCache cache(temp_.path());
  EXPECT_THAT(std::string(Message(cache.status())), HasSubstr("is off: others may write to"));
  StorePage(cache, KeyOf(1), 0);
  EXPECT_FALSE(cache.Find(KeyOf(1)));
  cache.Discard(KeyOf(1));
  EXPECT_EQ(FolderBytes(), 0u);
}

TEST_F(TableCacheTest, TurnsItselfOffWhenTheFolderGoesAway) {
  TableCache cache(temp_.Path("cache"));
  ASSERT_TRUE(cache.status().ok());
  std::filesystem::remove_all(temp_.Path("cache"));
  EXPECT_FALSE(cache.Find(KeyOf(1)));
  EXPECT_TRUE(cache.status().ok());
  StorePage(cache, KeyOf(1), 0);
  const std::string note(Message(cache.status()));
  EXPECT_THAT(note, HasSubstr(temp_.Path("cache") + " is off: "));
  StorePage(cache, KeyOf(2), 0);
  EXPECT_EQ(Message(cache.status()), note);
}

TEST_F(TableCacheTest, RemovesWhatDeadWritersLeft) {
  const std::string leftover = temp_.Path(".new-0000000000000000");
  ASSERT_TRUE(WriteFileAtomically(leftover, "").ok());
  const timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
  ASSERT_EQ(::utimensat(AT_FDCWD, leftover.c_str(), times, 0), 0);
  TableCache cache(temp_.path());
  StorePage(cache, KeyOf(1), 0);
  EXPECT_EQ(cache.counts().leftover_files, 1u);
  EXPECT_FALSE(std::filesystem::exists(leftover));
}

// Four kilns on one folder that is too small for them: whatever is found is whole, and the folder stays in bounds.
TEST_F(TableCacheTest, SeveralWritersDoNotHarmEachOther) {
  constexpr uint64_t kLimit = 12 * 4096;
  constexpr int kThreads = 4, kRounds = 150, kKeys = 8;
  std::array<int, kThreads> found{}, wrong{};
  std::array<Status, kThreads> statuses;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      TableCache cache(temp_.path(), kLimit);
      for (int round = 0; round < kRounds; ++round) {
        const int number = (round * 5 + thread * 3) % kKeys;
        const auto page = static_cast<uint32_t>(round % 4);
        StorePage(cache, KeyOf(number), page, 100 + static_cast<uint32_t>(number) * 10 + page);
        const std::optional<TableFile> table = cache.Find(KeyOf((number + 1) % kKeys));
        if (!table) continue;
        ++found[thread];
        for (uint32_t i = 0; i < kFacts.page_count; ++i) {
          const bool right = RowsOf(*table, i) == 100 + static_cast<size_t>((number + 1) % kKeys) * 10 + i;
          if (table->page_state(i) == PageState::kCompiled && !right) ++wrong[thread];
        }
      }
      statuses[thread] = cache.status();
      if (cache.counts().damaged_files + cache.counts().damaged_pages > 0) ++wrong[thread];
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int thread = 0; thread < kThreads; ++thread) {
    EXPECT_TRUE(statuses[thread].ok()) << statuses[thread];
    EXPECT_EQ(wrong[thread], 0);
    EXPECT_GT(found[thread], 0);
  }
  constexpr uint64_t kLargestFile = 8192;  // four pages of the largest number of rows above
  EXPECT_LE(FolderBytes(), kLimit + kThreads * (kLimit / 16 + 2 * kLargestFile));
  for (const auto& entry : std::filesystem::directory_iterator(temp_.path())) {
    EXPECT_TRUE(IsTableFileName(entry.path().filename().string())) << entry.path();
  }
}

}  // namespace
}  // namespace kiln::agent
