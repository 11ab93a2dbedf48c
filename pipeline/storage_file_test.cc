// SPDX-License-Identifier: Apache-2.0
#include "pipeline/storage_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "pipeline/testing/batches.h"

namespace kiln::pipeline {
namespace {

using ::testing::HasSubstr;

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

TEST(StorageFile, NamesAreSafeAndDistinct) {
  EXPECT_EQ(StorageFileName("otlp", Signal::kProfiles), "exporter_otlp_profiles.db");
  EXPECT_EQ(StorageFileName("otlp/eu", Signal::kTraces), "exporter_otlp%2Feu_traces.db");
  std::set<std::string> names;
  const std::string long_id(200, 'x');
  const std::vector<std::string> ids = {"",
                                        "..",
                                        "../../etc/passwd",
                                        "a/b",
                                        "a%2Fb",
                                        "a_b",
                                        std::string("a\0b", 3),
                                        "é",
                                        "a b\n?",
                                        long_id,
                                        long_id + "1",
                                        long_id + "2",
                                        std::string(90, '/'),
                                        std::string(91, '/')};
  for (const std::string& id : ids) {
    const std::string name = StorageFileName(id, Signal::kLogs);
    EXPECT_THAT(name, ::testing::Not(HasSubstr("/")));
    EXPECT_LT(name.size(), 240U);
    EXPECT_TRUE(names.insert(name).second) << id;
  }
}

TEST(StorageFile, MakesTheDirectoryIfItMay) {
  const ScratchDirectory scratch;
  const std::string wanted = scratch.path() + "/a/b/";
  const auto refused = PrepareStorageFile({.directory = wanted, .create_directory = false}, "otlp", Signal::kProfiles);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(refused.status())), HasSubstr("create_directory"));
  const auto path = PrepareStorageFile({.directory = wanted}, "otlp", Signal::kProfiles);
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*path, std::filesystem::canonical(wanted).string() + "/exporter_otlp_profiles.db");
  EXPECT_EQ(ModeOf(scratch.path() + "/a/b"), 0700U);
}

TEST(StorageFile, FollowsLinksToTheDirectory) {
  const ScratchDirectory scratch;
  ASSERT_EQ(::mkdir((scratch.path() + "/real").c_str(), 0700), 0);
  ASSERT_EQ(::symlink("real", (scratch.path() + "/link").c_str()), 0);
  const auto path = PrepareStorageFile({.directory = scratch.path() + "/link"}, "otlp", Signal::kProfiles);
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_THAT(*path, HasSubstr("/real/"));
}

TEST(StorageFile, SaysWhatIsWrongWithTheDirectory) {
  const ScratchDirectory scratch;
  const std::string file = scratch.path() + "/file";
  std::ofstream(file) << "x";
  EXPECT_EQ(PrepareStorageFile({.directory = ""}, "otlp", Signal::kProfiles).status().code(),
            absl::StatusCode::kInvalidArgument);
  for (const std::string& directory : {file, file + "/below"}) {
    const auto path = PrepareStorageFile({.directory = directory}, "otlp", Signal::kProfiles);
    EXPECT_FALSE(path.ok());
    EXPECT_THAT(std::string(Message(path.status())), HasSubstr(directory));
  }
}

TEST(StorageFile, IsPrivate) {
  const ScratchDirectory scratch;
  const std::string path = scratch.path() + "/f.db";
  ASSERT_TRUE(EnsurePrivateFile(path).ok());
  EXPECT_EQ(ModeOf(path), 0600U);
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  ASSERT_TRUE(EnsurePrivateFile(path).ok());
  EXPECT_EQ(ModeOf(path), 0600U);
}

TEST(StorageFile, RefusesLinksAndDirectoriesInItsPlace) {
  const ScratchDirectory scratch;
  const std::string path = scratch.path() + "/f.db";
  ASSERT_EQ(::symlink("/etc/passwd", path.c_str()), 0);
  EXPECT_EQ(EnsurePrivateFile(path).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(EnsurePrivateFile(scratch.path()).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(StorageFile, SetsAsideWithCompanions) {
  const ScratchDirectory scratch;
  const std::string path = scratch.path() + "/f.db";
  std::ofstream(path) << "1";
  std::ofstream(path + "-wal") << "2";
  const auto aside = SetAsideFile(path);
  ASSERT_TRUE(aside.ok());
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + "-wal"));
  EXPECT_TRUE(std::filesystem::exists(*aside + "-wal"));
  std::ofstream(path) << "3";
  ASSERT_TRUE(SetAsideFile(path).ok());
  EXPECT_FALSE(std::filesystem::exists(*aside + "-wal")) << "the companion of an older one";
}

}  // namespace
}  // namespace kiln::pipeline
