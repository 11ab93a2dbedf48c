// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/cache_folder.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "agent/unwind/testing/temp_folder.h"

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void SetMtime(const std::string& path, time_t seconds) {
  const timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

class CacheFolderTest : public ::testing::Test {
 protected:
  static std::vector<std::string> Names(const CacheFolder& folder, std::string_view suffix = ".x") {
    std::vector<std::string> names;
    const auto entries = folder.List(suffix);
    for (const CacheFolder::Entry& entry : *entries) names.push_back(entry.name);
    return names;
  }
  static void Add(const CacheFolder& folder, const std::string& name, std::string_view content) {
    CacheFolder::NewFile file = *folder.Create();
    ASSERT_EQ(::write(file.fd(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
    ASSERT_TRUE(folder.Publish(file, name).ok());
  }
  // Everything that lies there, by any name.
  int Files() const { return static_cast<int>(std::distance(std::filesystem::directory_iterator(temp_.path()), {})); }
  testing::TempFolder temp_;
};

TEST(CacheRootTest, FollowsTheUser) {
  EXPECT_EQ(DefaultCacheRoot(0, "/xdg", "/home/a"), "/var/cache/kiln");
  EXPECT_EQ(DefaultCacheRoot(1000, "/xdg", "/home/a"), "/xdg/kiln");
  EXPECT_EQ(DefaultCacheRoot(1000, "relative", "/home/a"), "/home/a/.cache/kiln");
  EXPECT_EQ(DefaultCacheRoot(1000, "", "/home/a"), "/home/a/.cache/kiln");
  EXPECT_EQ(DefaultCacheRoot(1000, "", ""), "");
}

TEST_F(CacheFolderTest, CreatesWhatIsMissingForItsOwnerAlone) {
  ASSERT_TRUE(CacheFolder::Open(temp_.Path("a/b/c")).ok());
  for (const char* name : {"a", "a/b", "a/b/c"}) {
    struct stat info {};
    ASSERT_EQ(::stat(temp_.Path(name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u) << name;
  }
  EXPECT_TRUE(CacheFolder::Open(temp_.Path("a/b/c/")).ok());
}

TEST_F(CacheFolderTest, RefusesAFolderThatOthersMayWrite) {
  for (const mode_t mode : {0720, 0702, 01777}) {
    ASSERT_EQ(::chmod(temp_.path().c_str(), mode), 0);
    const Status status = CacheFolder::Open(temp_.path()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(Message(status)), HasSubstr("others may write to"));
  }
  ASSERT_EQ(::chmod(temp_.path().c_str(), 0755), 0);
  EXPECT_TRUE(CacheFolder::Open(temp_.path()).ok());
}

TEST_F(CacheFolderTest, RefusesAFolderOfSomebodyElse) {
  // Root can give a folder away; anybody else finds one that is not theirs.
  std::string folder = "/";
  if (::geteuid() == 0) {
    folder = temp_.path();
    ASSERT_EQ(::chown(folder.c_str(), 12345, 12345), 0);
  }
  const Status status = CacheFolder::Open(folder).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("belongs to user"));
}

TEST_F(CacheFolderTest, RefusesWhatIsNoFolder) {
  ASSERT_EQ(::symlink("/", temp_.Path("link").c_str()), 0);
  EXPECT_EQ(CacheFolder::Open(temp_.Path("link")).status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(WriteFileAtomically(temp_.Path("file"), "").ok());
  EXPECT_FALSE(CacheFolder::Open(temp_.Path("file")).ok());
  EXPECT_FALSE(CacheFolder::Open(temp_.Path("file/below")).ok());
  EXPECT_FALSE(CacheFolder::Open("").ok());
}

TEST_F(CacheFolderTest, AFileAppearsWhole) {
  const CacheFolder folder = *CacheFolder::Open(temp_.path());
  EXPECT_EQ(folder.OpenFile("a.x").status().code(), absl::StatusCode::kNotFound);
  {
    CacheFolder::NewFile file = *folder.Create();
    EXPECT_THAT(Names(folder), IsEmpty());
    EXPECT_THAT(Names(folder, ""), IsEmpty());
    ASSERT_EQ(::write(file.fd(), "hello", 5), 5);
    ASSERT_TRUE(folder.Publish(file, "a.x").ok());
  }
  EXPECT_EQ(folder.OpenFile("a.x")->size(), 5u);
  EXPECT_EQ(folder.OpenFile("a.x")->stat().st_mode & 07777, 0600u);
  EXPECT_THAT(Names(folder), ElementsAre("a.x"));
  EXPECT_TRUE(folder.Remove("a.x"));
  EXPECT_FALSE(folder.Remove("a.x"));
}

TEST_F(CacheFolderTest, AFileThatWasNotPublishedLeavesNothing) {
  const CacheFolder folder = *CacheFolder::Open(temp_.path());
  {
    const CacheFolder::NewFile file = *folder.Create();
    CacheFolder::NewFile moved = *folder.Create();
    const CacheFolder::NewFile to(std::move(moved));
    EXPECT_EQ(Files(), 2);
  }
  EXPECT_EQ(Files(), 0);
}

TEST_F(CacheFolderTest, ListsByLastUse) {
  const CacheFolder folder = *CacheFolder::Open(temp_.path());
  for (const std::string name : {"a.x", "b.x", "c.x", "d.y"}) Add(folder, name, name);
  ASSERT_EQ(::mkdir(temp_.Path("e.x").c_str(), 0700), 0);
  ASSERT_EQ(::symlink("a.x", temp_.Path("f.x").c_str()), 0);
  SetMtime(temp_.Path("a.x"), 3000);
  SetMtime(temp_.Path("b.x"), 1000);
  SetMtime(temp_.Path("c.x"), 2000);
  EXPECT_THAT(Names(folder), ElementsAre("b.x", "c.x", "a.x"));
  ASSERT_TRUE(folder.OpenFile("b.x").ok());
  EXPECT_THAT(Names(folder), ElementsAre("c.x", "a.x", "b.x"));
  EXPECT_EQ(folder.List(".x")->front().bytes, 3u);
}

TEST_F(CacheFolderTest, RemovesWhatDeadWritersLeft) {
  const CacheFolder folder = *CacheFolder::Open(temp_.path());
  ASSERT_TRUE(WriteFileAtomically(temp_.Path(".new-0123456789abcdef"), "").ok());
  ASSERT_TRUE(WriteFileAtomically(temp_.Path(".other"), "").ok());
  const CacheFolder::NewFile mine = *folder.Create(), busy = *folder.Create();
  struct stat now {};
  ASSERT_EQ(::fstat(mine.fd(), &now), 0);
  SetMtime(temp_.Path(".new-0123456789abcdef"), now.st_mtim.tv_sec - 3602);
  SetMtime(temp_.Path(".other"), 0);
  EXPECT_EQ(*folder.RemoveLeftovers(mine), 1u);
  EXPECT_EQ(Files(), 3);
}

}  // namespace
}  // namespace kiln::agent
