// SPDX-License-Identifier: Apache-2.0
#include "base/net/watched_file.h"

#include <gtest/gtest.h>
#include <sys/time.h>

#include "base/net/testing/test_folder.h"

namespace kiln {
namespace {

using testing::TestFolder;

// As if it had been written an hour ago.
void MakeOld(const std::string& path) {
  const timeval hour_ago[2] = {{.tv_sec = ::time(nullptr) - 3600}, {.tv_sec = ::time(nullptr) - 3600}};
  ASSERT_EQ(::utimes(path.c_str(), hour_ago), 0);
}

TEST(WatchedFile, TellsOfTheFirstContentAndOfChangesOnly) {
  const TestFolder folder;
  WatchedFile file(folder.Write("token", "one"), 100);
  EXPECT_TRUE(*file.Refresh());
  EXPECT_EQ(file.content(), "one");
  EXPECT_FALSE(*file.Refresh());
  folder.Write("token", "two");  // same size, perhaps the same tick of the clock
  EXPECT_TRUE(*file.Refresh());
  EXPECT_EQ(file.content(), "two");
  EXPECT_FALSE(*file.Refresh());
}

TEST(WatchedFile, SeesAFileThatWasRenamedOverItAlsoIfItIsOlder) {
  const TestFolder folder;
  WatchedFile file(folder.Write("token", "one"), 100);
  ASSERT_TRUE(file.Refresh().ok());
  MakeOld(folder.Write("next", "two"));
  std::filesystem::rename(folder.Path("next"), folder.Path("token"));
  EXPECT_TRUE(*file.Refresh());
  EXPECT_EQ(file.content(), "two");
}

// As Kubernetes updates a mounted secret: token -> ..data/token, ..data -> a folder with a time in its name.
TEST(WatchedFile, FollowsALinkThatTurnsToAnotherFolder) {
  const TestFolder folder;
  for (const char* version : {"v1", "v2"}) {
    std::filesystem::create_directory(folder.Path(version));
    folder.Write(std::string(version) + "/token", version);
  }
  std::filesystem::create_directory_symlink("v1", folder.Path("..data"));
  std::filesystem::create_symlink("..data/token", folder.Path("token"));
  WatchedFile file(folder.Path("token"), 100);
  ASSERT_TRUE(file.Refresh().ok());
  EXPECT_EQ(file.content(), "v1");
  std::filesystem::create_directory_symlink("v2", folder.Path("next"));
  std::filesystem::rename(folder.Path("next"), folder.Path("..data"));
  EXPECT_TRUE(*file.Refresh());
  EXPECT_EQ(file.content(), "v2");
}

TEST(WatchedFile, KeepsItsContentWhileTheFileCanNotBeRead) {
  const TestFolder folder;
  WatchedFile file(folder.Write("token", "one"), 5);
  ASSERT_TRUE(file.Refresh().ok());
  folder.Write("token", "far too long");
  EXPECT_EQ(file.Refresh().status().code(), absl::StatusCode::kResourceExhausted);
  std::filesystem::remove(folder.Path("token"));
  EXPECT_EQ(file.Refresh().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(file.content(), "one");
  folder.Write("token", "two");
  EXPECT_TRUE(*file.Refresh());
}

TEST(WatchedFile, DoesNotWaitForAFifo) {
  const TestFolder folder;
  ASSERT_EQ(::mkfifo(folder.Path("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(WatchedFile(folder.Path("fifo"), 100).Refresh().ok());
}

}  // namespace
}  // namespace kiln
