// SPDX-License-Identifier: Apache-2.0
#include "base/lines.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <vector>

#include "base/file.h"

namespace kiln {
namespace {

class LinesTest : public ::testing::Test {
 protected:
  LinesTest() {
    std::string name = ::testing::TempDir() + "kiln-lines-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~LinesTest() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  void Write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFileAtomically(Path(name), content).ok());
  }
  std::string folder_;
};

std::vector<std::string> LinesOf(const std::string& path) {
  std::vector<std::string> lines;
  EXPECT_TRUE(ForEachLine(path, 1 << 20, [&lines](std::string_view line) {
                lines.emplace_back(line);
                return absl::OkStatus();
              }).ok());
  return lines;
}

TEST_F(LinesTest, HandsOnLines) {
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

TEST_F(LinesTest, ReadingLinesEndsWithTheFirstErrorAndAtTheLimit) {
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

}  // namespace
}  // namespace kiln
