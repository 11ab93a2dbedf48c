// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace kiln {
namespace {

using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "kiln_file_test.XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string folder_;
};

TEST_F(FileTest, DoesNotEvenOpenWhatIsNoRegularFile) {
  ASSERT_EQ(::mkfifo(Path("fifo").c_str(), 0600), 0);
  ASSERT_TRUE(WriteFileAtomically(Path("file"), "x").ok());
  const UniqueFd watch(::inotify_init1(IN_NONBLOCK));
  ASSERT_GE(::inotify_add_watch(watch.get(), folder_.c_str(), IN_OPEN), 0);
  EXPECT_FALSE(File::Open(Path("fifo")).ok());
  std::array<char, 4096> events;
  EXPECT_LT(::read(watch.get(), events.data(), events.size()), 0);
  EXPECT_TRUE(File::Open(Path("file")).ok());
  EXPECT_GT(::read(watch.get(), events.data(), events.size()), 0);
}

TEST_F(FileTest, WritesAndReadsBack) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "hello").ok());
  EXPECT_EQ(*ReadFile(Path("a"), 5), "hello");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(FileTest, ReadFileStopsAtTheLimit) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "hello").ok());
  EXPECT_EQ(ReadFile(Path("a"), 4).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadFile("/dev/zero", 1 << 20).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FileTest, OpenRefusesWhatIsNoRegularFileWithoutBlocking) {
  ASSERT_EQ(::mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(File::Open(Path("fifo")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(File::Open("/dev/zero").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(File::Open(Path("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FileTest, ReadAtFailsPastTheEnd) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "hello").ok());
  auto file = File::Open(Path("a"));
  ASSERT_TRUE(file.ok());
  std::array<std::byte, 4> buffer;
  EXPECT_TRUE(file->ReadAt(FileOffset(1), buffer).ok());
  EXPECT_EQ(file->ReadAt(FileOffset(2), buffer).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(file->ReadAt(FileOffset(UINT64_MAX), buffer).code(), absl::StatusCode::kOutOfRange);
}

TEST_F(FileTest, CheckWritableNamesTheMissingFolderAndLeavesNothing) {
  EXPECT_THAT(std::string(Message(CheckWritable(Path("no/x.html")))), HasSubstr("/no does not exist"));
  EXPECT_THAT(std::string(Message(CheckWritable(folder_))), HasSubstr("is a directory"));
  EXPECT_TRUE(CheckWritable(Path("x.html")).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace kiln
