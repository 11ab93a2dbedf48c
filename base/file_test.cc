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
  void Write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFileAtomically(Path(name), content).ok());
  }
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

std::vector<std::string> LinesOf(const std::string& path) {
  std::vector<std::string> lines;
  EXPECT_TRUE(ForEachLine(path, 1 << 20, [&lines](std::string_view line) {
                lines.emplace_back(line);
                return absl::OkStatus();
              }).ok());
  return lines;
}

TEST_F(FileTest, HandsOnLines) {
  using Lines = std::vector<std::string>;
  Write("a", "");
  EXPECT_EQ(LinesOf(Path("a")), Lines());
  Write("a", "one\n\nthree");
  EXPECT_EQ(LinesOf(Path("a")), (Lines{"one", "", "three"}));
  // Across the pieces in which a file is read.
  const std::string line(50'000, 'x');
  Write("a", line + "\n" + line + "\n" + line + "\n");
  EXPECT_EQ(LinesOf(Path("a")), (Lines{line, line, line}));
  Write("a", std::string(200'000, 'y') + "\nend\n");
  size_t bytes = 0;
  const Lines lines = LinesOf(Path("a"));
  for (const std::string& part : lines) bytes += part.size();
  EXPECT_EQ(bytes, 200'003u);
  EXPECT_GT(lines.size(), 2u);
  EXPECT_EQ(lines.back(), "end");
}

TEST_F(FileTest, ReadingLinesEndsWithTheFirstErrorAndAtTheLimit) {
  Write("a", "1\n2\n3\n");
  int taken = 0;
  const auto take = [&taken](std::string_view) {
    return ++taken < 2 ? absl::OkStatus() : absl::AbortedError("enough");
  };
  EXPECT_EQ(ForEachLine(Path("a"), 100, take).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(taken, 2);
  EXPECT_EQ(ForEachLine(Path("a"), 5, take).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ForEachLine("/nonexistent", 5, take).code(), absl::StatusCode::kNotFound);
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
