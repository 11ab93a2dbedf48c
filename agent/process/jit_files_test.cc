// SPDX-License-Identifier: Apache-2.0
#include "agent/process/jit_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/process/process.h"
#include "base/clock.h"
#include "symbolizer/perf_map.h"

namespace kiln::agent {
namespace {

using symbolizer::Miss;
using Kind = JitFile::Kind;

// No process has such a pid, so nobody else has such a file.
constexpr Pid kInnerPid{99'000'000};

// This very process, as if it saw itself under another pid.
class JitFilesTest : public ::testing::Test {
 protected:
  JitFilesTest() {
    Remove();
    folder_ = ::testing::TempDir() + "jit_files_test";
    std::filesystem::create_directories(folder_);
  }
  ~JitFilesTest() override {
    Remove();
    std::filesystem::remove_all(folder_);
  }
  void Remove() { std::filesystem::remove(path_); }
  void Write(const std::string& path, std::string_view text) { std::ofstream(path) << text; }
  JitFiles Find() {
    JitFiles files;
    FindJitFiles(self_, {self_.pid}, files);
    return files;
  }
  // The reason, after making sure that nothing was found.
  Miss WhyNot() {
    const JitFiles files = Find();
    EXPECT_TRUE(files.files.empty());
    return files.miss;
  }
  // Maps a page of a new file and has the process's maps tell of it.
  std::string MapMarker(const std::string& name) {
    const std::string path = folder_ + "/" + name;
    Write(path, std::string(4096, 'x'));
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    marker_ = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd.get(), 0);
    EXPECT_NE(marker_, MAP_FAILED);
    self_.mappings = std::make_shared<MappingTable>(*ReadMaps(self_.pid));
    return path;
  }
  void Unmap() { ::munmap(marker_, 4096); }

  Process self_{.pid = {::getpid()}, .namespaced_pid = kInnerPid};
  const std::string path_ = fmt::format("/tmp/perf-{}.map", kInnerPid.value);
  std::string folder_;
  void* marker_ = nullptr;
};

TEST_F(JitFilesTest, FindsThePerfMapByThePidThatTheProcessSees) {
  EXPECT_EQ(WhyNot(), Miss::kNoPerfMap);
  Write(path_, "1000 10 foo\n");
  const JitFiles files = Find();
  ASSERT_EQ(files.files.size(), 1u);
  EXPECT_EQ(files.files[0].kind, Kind::kPerfMap);
  EXPECT_EQ(files.files[0].writer, kInnerPid);
  EXPECT_EQ(files.files[0].path, path_);
}

TEST_F(JitFilesTest, WhatIsNoFileIsNotOpened) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(WhyNot(), Miss::kJitFileNoFile);
  Remove();
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  EXPECT_EQ(WhyNot(), Miss::kJitFileNoFile);
  Remove();
  for (const char* target : {"/dev/zero", "/tmp", "/proc/self/fd", "/dev/stdin"}) {
    ASSERT_EQ(::symlink(target, path_.c_str()), 0);
    EXPECT_THAT(WhyNot(), testing::AnyOf(Miss::kJitFileNoFile, Miss::kJitFileUnreadable)) << target;
    Remove();
  }
}

TEST_F(JitFilesTest, ALinkThatLeadsNowhereIsUnreadable) {
  ASSERT_EQ(::symlink("/nonexistent", path_.c_str()), 0);
  EXPECT_EQ(WhyNot(), Miss::kJitFileUnreadable);
  Remove();
  ASSERT_EQ(::symlink(path_.c_str(), path_.c_str()), 0);
  EXPECT_EQ(WhyNot(), Miss::kJitFileUnreadable);
}

TEST_F(JitFilesTest, ALinkToAFileOfTheProcessCounts) {
  Write(folder_ + "/map", "1000 10 foo\n");
  ASSERT_EQ(::symlink((folder_ + "/map").c_str(), path_.c_str()), 0);
  EXPECT_EQ(Find().files.size(), 1u);
}

TEST_F(JitFilesTest, AFileOfAnotherUserIsForeign) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  Write(path_, "1000 10 foo\n");
  ASSERT_EQ(::chown(path_.c_str(), 4711, 4711), 0);
  EXPECT_EQ(WhyNot(), Miss::kJitFileForeign);
}

TEST_F(JitFilesTest, WhoRanAProcessIsKnownAfterItsEnd) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  JitFiles files = Find();
  Write(path_, "1000 10 foo\n");
  ASSERT_EQ(::chown(path_.c_str(), 4711, 4711), 0);
  Process gone = self_;
  struct stat own {};
  ASSERT_EQ(::stat("/proc/self/ns/mnt", &own), 0);
  gone.pid = kInnerPid;
  gone.mount_namespace = static_cast<uint32_t>(own.st_ino);  // its files are still to be found
  FindJitFiles(gone, {}, files);
  EXPECT_TRUE(files.files.empty());
  EXPECT_EQ(files.miss, Miss::kJitFileForeign);
  JitFiles unknown;
  FindJitFiles(gone, {}, unknown);
  EXPECT_EQ(unknown.files.size(), 1u);
}

TEST_F(JitFilesTest, AFileFromBeforeTheProcessIsOld) {
  Write(path_, "1000 10 foo\n");
  self_.start_ns = static_cast<uint64_t>(ReadClockNs(CLOCK_BOOTTIME));
  EXPECT_EQ(Find().files.size(), 1u);
  const timespec times[2] = {{.tv_sec = 1'000'000'000}, {.tv_sec = 1'000'000'000}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path_.c_str(), times, 0), 0);
  EXPECT_EQ(WhyNot(), Miss::kJitFileOld);
  self_.start_ns = 0;  // not known
  EXPECT_EQ(Find().files.size(), 1u);
}

TEST_F(JitFilesTest, ADeletedPerfMapIsReplacedByTheNextOne) {
  Write(path_, "1000 10 foo\n");
  JitFiles files = Find();
  const auto first = files.files.at(0).file;
  Remove();
  FindJitFiles(self_, {self_.pid}, files);
  EXPECT_EQ(files.files.at(0).file, first);
  Write(path_, "1000 10 bar\n");
  FindJitFiles(self_, {self_.pid}, files);
  EXPECT_NE(files.files.at(0).file, first);
  EXPECT_EQ(files.files.size(), 1u);
}

TEST_F(JitFilesTest, WhatWasSeenWhileTheProcessLivedIsRemembered) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  JitFiles files = Find();
  FindJitFiles(self_, {}, files);
  EXPECT_EQ(files.miss, Miss::kJitFileNoFile);
}

TEST_F(JitFilesTest, FindsTheJitDumpThatIsMapped) {
  const std::string path = MapMarker(fmt::format("jit-{}.dump", kInnerPid.value));
  Write(path_, "1000 10 foo\n");
  const JitFiles files = Find();
  ASSERT_EQ(files.files.size(), 2u);
  EXPECT_EQ(files.files[0].kind, Kind::kJitDump);
  EXPECT_EQ(files.files[0].path, path);
  EXPECT_EQ(files.files[0].writer, kInnerPid);
  EXPECT_EQ(files.files[1].kind, Kind::kPerfMap);
  Unmap();
}

TEST_F(JitFilesTest, ADeletedJitDumpIsFoundByItsMapping) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  std::filesystem::remove(MapMarker(fmt::format("jit-{}.dump", kInnerPid.value)));
  EXPECT_EQ(Find().files.size(), 1u);
  Unmap();
}

TEST_F(JitFilesTest, AnotherFileInThePlaceOfTheMappedOneIsForeign) {
  const std::string path = MapMarker(fmt::format("jit-{}.dump", kInnerPid.value));
  Unmap();
  Write(path + ".new", "x");
  std::filesystem::rename(path + ".new", path);
  EXPECT_EQ(WhyNot(), Miss::kJitFileForeign);
  std::filesystem::remove(path);
  EXPECT_EQ(WhyNot(), Miss::kJitFileUnreadable);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(WhyNot(), Miss::kJitFileNoFile);
}

TEST_F(JitFilesTest, AJitDumpOfAnotherPidIsNone) {
  for (const char* name : {"jit-1.dump", "jit-.dump", "jit-99000000x.dump", "xjit-99000000.dump", "jit-99000000.map"}) {
    MapMarker(name);
    EXPECT_EQ(WhyNot(), Miss::kNoPerfMap) << name;
    Unmap();
  }
}

TEST_F(JitFilesTest, ForkedChildrenKnowTheirParentsFilesAfterTheirOwn) {
  Write(path_, "1000 10 foo\n");
  JitFiles files = InheritJitFiles(Find());
  ASSERT_EQ(files.files.size(), 1u);
  EXPECT_TRUE(files.files[0].inherited);
  EXPECT_FALSE(files.Has(Kind::kPerfMap));
  const Process child{.pid = {::getpid()}, .namespaced_pid = {kInnerPid.value + 1}};
  const std::string own = fmt::format("/tmp/perf-{}.map", child.namespaced_pid.value);
  Write(own, "2000 10 bar\n");
  FindJitFiles(child, {child.pid}, files);
  std::filesystem::remove(own);
  ASSERT_EQ(files.files.size(), 2u);
  EXPECT_EQ(files.files[0].path, own);
  EXPECT_EQ(files.files[1].path, path_);
  for (int i = 0; i < 100; ++i) {
    files = InheritJitFiles(files);
    files.files.insert(files.files.begin(), JitFile{.kind = Kind::kPerfMap, .writer = {i}});
  }
  EXPECT_LE(files.files.size(), 5u);
}

}  // namespace
}  // namespace kiln::agent
