// SPDX-License-Identifier: Apache-2.0
#include "base/root_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace kiln {
namespace {

TEST(RootFolderTest, IsNeverLeft) {
  std::string folder = (std::filesystem::temp_directory_path() / "kiln_root_folder.XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string root = folder + "/root";
  std::filesystem::create_directories(root + "/sub");
  ASSERT_TRUE(WriteFileAtomically(folder + "/secret", "x").ok());
  ASSERT_TRUE(WriteFileAtomically(root + "/sub/file", "x").ok());
  ASSERT_EQ(::symlink((folder + "/secret").c_str(), (root + "/absolute").c_str()), 0);
  ASSERT_EQ(::symlink("../secret", (root + "/relative").c_str()), 0);
  ASSERT_EQ(::symlink("/sub/file", (root + "/inside").c_str()), 0);
  ASSERT_EQ(::mkfifo((root + "/fifo").c_str(), 0600), 0);
  for (const char* path : {"/sub/file", "sub//./file", "/inside", "/../sub/file"}) {
    EXPECT_TRUE(OpenInRoot(root, path).ok()) << path;
  }
  for (const char* path : {"/../secret", "../secret", "sub/../../secret", "/absolute", "/relative", "/sub", "/none",
                           "/sub/file/x", "/fifo", ""}) {
    EXPECT_FALSE(OpenInRoot(root, path).ok()) << path;
  }
  EXPECT_FALSE(OpenInRoot(folder + "/none", "/sub/file").ok());
  EXPECT_EQ(OpenInRoot(root, "/inside")->identity(), File::Open(root + "/sub/file")->identity());
  std::filesystem::remove_all(folder);
}

TEST(RootFolderTest, FollowsLinksToWhereTheyEnd) {
  std::string root = (std::filesystem::temp_directory_path() / "kiln_root_folder.XXXXXX").string();
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  std::filesystem::create_directories(root + "/store/deep");
  ASSERT_TRUE(WriteFileAtomically(root + "/store/deep/file", "x").ok());
  const auto link = [&](const char* path, const char* target) {
    ASSERT_EQ(::symlink(target, (root + path).c_str()), 0) << path;
  };
  link("/absolute", "/store/deep/file");
  link("/store/relative", "../absolute");
  link("/store/second", "deep/file");
  link("/folder", "/store/deep");
  link("/loop", "loop");
  link("/nowhere", "/none");
  EXPECT_EQ(FollowLinksInRoot(root, "/absolute"), "/store/deep/file");
  EXPECT_EQ(FollowLinksInRoot(root, "/store/relative"), "/store/deep/file");
  EXPECT_EQ(FollowLinksInRoot(root, "/store/second"), "/store/deep/file");
  EXPECT_EQ(FollowLinksInRoot(root, "/store/deep/file"), "/store/deep/file");
  EXPECT_EQ(FollowLinksInRoot(root, "/folder/file"), "/folder/file") << "of the file alone";
  for (const char* path : {"/loop", "/nowhere", "/none", "", "/../none"}) {
    EXPECT_EQ(FollowLinksInRoot(root, path), path);
  }
  EXPECT_EQ(FollowLinksInRoot(root + "/none", "/absolute"), "/absolute");
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace kiln
