// SPDX-License-Identifier: Apache-2.0
#include "agent/symbols/line_indexes.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "agent/symbols/index_process.h"
#include "agent/symbols/index_protocol.h"
#include "agent/unwind/table_key.h"
#include "base/net/http_server.h"
#include "symbolizer/index/line_index_writer.h"
#include "symbolizer/testing/elf_builder.h"

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

class KernelIndexTest : public IndexCacheTest {
 protected:
  // What is decided in the end.
  IndexState StateOf(LineIndexes& indexes, const std::string& build_id) const {
    for (;;) {
      const auto answer = indexes.Get({.module = "", .build_id = build_id, .release = "6.1"});
      EXPECT_EQ(answer.index == nullptr, answer.layout == nullptr);
      if (answer.state != IndexState::kWaiting) return answer.state;
      indexes.AwaitChange(std::chrono::milliseconds(20));
    }
  }
  // Only kiln makes indexes: those of the tests are all in the cache.
  LineIndexOptions Options() const { return {.timeout = std::chrono::seconds(1), .kernel_root = folder_}; }
};

TEST_F(KernelIndexTest, WithoutABuildIdOrADebugFileThereIsNone) {
  LineIndexes off({.enabled = false});
  EXPECT_EQ(StateOf(off, "0102030405060708"), IndexState::kOff);
  LineIndexes indexes(Options());
  EXPECT_EQ(StateOf(indexes, ""), IndexState::kNoDebugInfo);
  EXPECT_EQ(StateOf(indexes, "0102030405060708"), IndexState::kNoDebugInfo);
  EXPECT_EQ(indexes.status().files[static_cast<size_t>(IndexState::kNoDebugInfo)], 1u);
  EXPECT_THAT(indexes.status().problems, IsEmpty());
}

TEST_F(KernelIndexTest, ADebugFileThatDoesNotSayWhereItsTextBeginsIsAProblem) {
  symbolizer::testing::ElfBuilder kernel;
  kernel.AddNoteSegment(symbolizer::testing::BuildIdNote("\1\2\3\4\5\6\7\10"), 4);
  kernel.Add({.name = ".debug_info", .bytes = "some"});
  std::filesystem::create_directories(folder_ + "/boot");
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/boot/vmlinux-6.1", kernel.Build()).ok());
  LineIndexes indexes(Options());
  EXPECT_EQ(StateOf(indexes, "0102030405060708"), IndexState::kDamaged);
  EXPECT_THAT(indexes.status().problems,
              ElementsAre("the kernel: /boot/vmlinux-6.1: the kernel's debug file has no symbol table"));
}

TEST_F(KernelIndexTest, AKernelThatIsNotHereComesFromAServer) {
  symbolizer::testing::ElfBuilder kernel;
  kernel.AddNoteSegment(symbolizer::testing::BuildIdNote("\1\2\3\4\5\6\7\10"), 4);
  kernel.AddText(0x1000, 0x100);
  kernel.AddSymbols(SHT_SYMTAB, {{.name = "_text", .value = 0x1000}});
  kernel.Add({.name = ".debug_info", .bytes = "some"});
  const std::string image = kernel.Build();
  std::filesystem::create_directories(folder_);
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/same", image).ok());
  IndexCache cache(folder_ + "/cache", kDefaultIndexCacheBytes);
  Store(cache, MakeTableKey("0102030405060708", *TakeFingerprint(*File::Open(folder_ + "/same")), EM_X86_64), 0x1000);
  auto server = HttpServer::Start({.address = "127.0.0.1:0"}, [&](const HttpServerRequest& request) {
    if (request.path != "/buildid/0102030405060708/debuginfo") return HttpServerResponse{.status = 404};
    return HttpServerResponse{.content_type = "application/octet-stream", .body = image, .compressible = false};
  });
  ASSERT_TRUE(server.ok()) << server.status();
  auto client = symbolizer::Debuginfod::Start(
      {.urls = {"http://" + (*server)->address()}, .cache_folder = folder_ + "/downloads"});
  ASSERT_TRUE(client.ok()) << client.status();

  LineIndexOptions options = Options();
  options.cache_folder = folder_ + "/cache";
  options.debuginfod = client->get();
  {
    LineIndexes indexes(options);
    EXPECT_EQ(StateOf(indexes, "0102030405060708"), IndexState::kDownloading);
  }
  ASSERT_TRUE((*client)->AwaitIdle(absl::Minutes(2)));
  {
    LineIndexes indexes(options);
    EXPECT_EQ(StateOf(indexes, "0102030405060708"), IndexState::kReady);
    const auto answer = indexes.Get({.module = "", .build_id = "0102030405060708", .release = "6.1"});
    EXPECT_TRUE(Knows(*answer.index, 0x1000));
    EXPECT_EQ(answer.layout->text, ElfAddress(0x1000));
  }
  (*server)->Stop();
}

TEST(IndexProcess, IsNotStartedByAProgramThatIsNoIndexer) {
  IndexJobCosts costs;
  const Status status = RunIndexJob({}, std::chrono::seconds(1), nullptr, costs);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST(IndexStates, HaveNamesForPeopleAndMachines) {
  for (int i = 0; i < kIndexStateCount; ++i) {
    EXPECT_NE(IndexStateName(static_cast<IndexState>(i)), "unknown") << i;
    EXPECT_NE(IndexStateId(static_cast<IndexState>(i)), "unknown") << i;
  }
}

}  // namespace
}  // namespace kiln::agent
