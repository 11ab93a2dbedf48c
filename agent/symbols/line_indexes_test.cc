// SPDX-License-Identifier: Apache-2.0
#include "agent/symbols/line_indexes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "agent/symbols/index_process.h"
#include "agent/symbols/index_protocol.h"
#include "symbolizer/index/line_index_writer.h"

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class IndexCacheTest : public ::testing::Test {
 protected:
  IndexCacheTest() {
    std::string name = ::testing::TempDir() + "kiln-index-cache-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name + "/lines";
  }

  static TableKey Key(const std::string& build_id, uint64_t size = 1) {
    return {.build_id = build_id, .file = {.size = size}, .machine = 62};
  }
  // An index with one function at `address`.
  static void WriteIndex(int fd, uint64_t address) {
    auto writer = *symbolizer::LineIndexWriter::Create("");
    const uint32_t function = writer.AddFunction("hot", false, 7);
    const uint32_t node = writer.AddNode({.function = function, .parent = symbolizer::kNoNode});
    const symbolizer::LineInterval interval{.start = address, .node = node, .line = 8, .column = 0};
    writer.AddPiece({&interval, 1}, address + 16, true);
    ASSERT_TRUE(writer.Finish(fd, {}).ok());
  }
  static void Store(IndexCache& cache, const TableKey& key, uint64_t address) {
    auto draft = cache.Create();
    ASSERT_TRUE(draft.ok()) << draft.status();
    WriteIndex(draft->fd(), address);
    ASSERT_TRUE(cache.Keep(*std::move(draft), key).ok());
  }
  static bool Knows(const symbolizer::LineIndex& index, uint64_t address) {
    std::vector<symbolizer::LineIndex::Line> lines;
    index.Lookup(ElfAddress(address), lines);
    return lines.size() == 1 && lines[0].function == "hot" && lines[0].line == 8 && lines[0].start_line == 7;
  }

  std::string folder_;
};

TEST_F(IndexCacheTest, FindsWhatWasKept) {
  IndexCache cache(folder_, kDefaultIndexCacheBytes);
  EXPECT_EQ(cache.Find(Key("aa00aa00aa00aa00")), nullptr);
  Store(cache, Key("aa00aa00aa00aa00"), 0x1000);
  const auto index = IndexCache(folder_, kDefaultIndexCacheBytes).Find(Key("aa00aa00aa00aa00"));
  ASSERT_NE(index, nullptr);
  EXPECT_TRUE(Knows(*index, 0x100f));
  EXPECT_FALSE(Knows(*index, 0x1010));
}

TEST_F(IndexCacheTest, ABuildIdAloneIsNotBelieved) {
  IndexCache cache(folder_, kDefaultIndexCacheBytes);
  Store(cache, Key("aa00aa00aa00aa00", 100), 0x1000);
  EXPECT_EQ(cache.Find(Key("aa00aa00aa00aa00", 101)), nullptr);
}

TEST_F(IndexCacheTest, LeastRecentlyUsedGoFirst) {
  uint64_t bytes = 0;
  {
    IndexCache cache(folder_, kDefaultIndexCacheBytes);
    Store(cache, Key("aa00aa00aa00aa00"), 0x1000);
    bytes = cache.Find(Key("aa00aa00aa00aa00"))->bytes();
  }
  IndexCache cache(folder_, 2 * bytes + bytes / 2);
  Store(cache, Key("bb00bb00bb00bb00"), 0x1000);
  ASSERT_NE(cache.Find(Key("aa00aa00aa00aa00")), nullptr);  // a use
  Store(cache, Key("cc00cc00cc00cc00"), 0x1000);
  EXPECT_NE(cache.Find(Key("aa00aa00aa00aa00")), nullptr);
  EXPECT_EQ(cache.Find(Key("bb00bb00bb00bb00")), nullptr);
  EXPECT_EQ(cache.counts().evicted_files, 1);
}

TEST_F(IndexCacheTest, DamagedFilesAreRemoved) {
  {
    IndexCache cache(folder_, kDefaultIndexCacheBytes);
    Store(cache, Key("aa00aa00aa00aa00"), 0x1000);
  }
  const auto folder = CacheFolder::Open(folder_);
  const auto entries = folder->List(".lines");
  ASSERT_EQ(entries->size(), 1);
  std::fstream file(folder_ + "/" + entries->front().name, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(200);
  file.put('\x55');
  file.close();
  IndexCache cache(folder_, kDefaultIndexCacheBytes);
  EXPECT_EQ(cache.Find(Key("aa00aa00aa00aa00")), nullptr);
  EXPECT_EQ(cache.counts().removed_files, 1);
  EXPECT_THAT(*folder->List(".lines"), IsEmpty());
}

TEST_F(IndexCacheTest, WithoutAFolderIndexesLiveInMemory) {
  IndexCache cache("", kDefaultIndexCacheBytes);
  auto draft = cache.Create();
  ASSERT_TRUE(draft.ok());
  WriteIndex(draft->fd(), 0x1000);
  const auto index = cache.Keep(*std::move(draft), Key("aa00aa00aa00aa00"));
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_TRUE(Knows(**index, 0x1000));
  EXPECT_EQ(cache.scratch_folder(), "");
}

TEST(IndexProtocol, RefusesWhatKilnWouldNotSay) {
  EXPECT_EQ(DecodeIndexJob({"--help"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeIndexJob({"memory=many"}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(IndexProtocol, NamesEverythingButFiles) {
  EXPECT_THAT(EncodeIndexJob({.path = "/bin/a b",
                              .roots = {"/proc/1/root", "/"},
                              .debug_folders = {"/d=1"},
                              .scratch_folder = "/s",
                              .memory_bytes = 7,
                              .idle = true}),
              ElementsAre("path=/bin/a b", "root=/proc/1/root", "root=/", "debug-folder=/d=1", "scratch=/s", "memory=7",
                          "idle=1"));
}

TEST(LineIndexes, SaysThatTheyAreOff) {
  LineIndexes indexes({.enabled = false});
  EXPECT_EQ(indexes.Get(ObjectId{1}, std::make_shared<ObjectFile>()).state, IndexState::kOff);
}

TEST(LineIndexes, AFileThatCouldNotBeOpenedHasNoDebugInformation) {
  LineIndexes indexes({});
  EXPECT_EQ(indexes.Get(ObjectId{1}, std::make_shared<ObjectFile>()).state, IndexState::kNoDebugInfo);
}

TEST(IndexStates, HaveNamesForPeopleAndMachines) {
  for (int i = 0; i < kIndexStateCount; ++i) {
    EXPECT_NE(IndexStateName(static_cast<IndexState>(i)), "unknown") << i;
    EXPECT_NE(IndexStateId(static_cast<IndexState>(i)), "unknown") << i;
  }
}

}  // namespace
}  // namespace kiln::agent
