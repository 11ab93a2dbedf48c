// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/user_names.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace kiln::agent::identity {
namespace {

TEST(UserNames, ReadsPasswd) {
  const auto names = ParsePasswd(
      "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/:\nwww:x:33:33\n# comment:x:5:\n+::::::\nbroken\nx:y\n:x:7:\n"
      "neg:x:-1:\nbig:x:99999999999:\nlast:x:44:");
  EXPECT_EQ(names.size(), 3u);
  EXPECT_EQ(names.at(0), "root");
  EXPECT_EQ(names.at(33), "www");
  EXPECT_EQ(names.at(44), "last");
}

TEST(UserNames, SeesUsersThatCameLater) {
  const std::string path = fmt::format("{}/kiln_passwd_{}", ::testing::TempDir(), ::getpid());
  UserNames names(path);
  EXPECT_EQ(names.NameOf(5), "5");  // no file at all
  ASSERT_TRUE(WriteFileAtomically(path, "a:x:5:5\n").ok());
  EXPECT_EQ(names.NameOf(5), "a");
  EXPECT_EQ(names.NameOf(6), "6");
  ASSERT_TRUE(WriteFileAtomically(path, "a:x:5:5\nb:x:6:6\n").ok());
  EXPECT_EQ(names.NameOf(6), "b");
  std::filesystem::remove(path);
  EXPECT_EQ(names.NameOf(5), "a");
  EXPECT_EQ(names.NameOf(7), "7");
}

}  // namespace
}  // namespace kiln::agent::identity
