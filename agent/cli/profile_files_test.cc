// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/profile_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "profile/testing.h"

namespace kiln::agent {
namespace {

using ::testing::HasSubstr;

class ProfileFiles : public testing::Test {
 protected:
  ProfileFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "kiln-files.XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  ~ProfileFiles() override { std::filesystem::remove_all(folder); }
  std::string Path(std::string_view name) const { return (folder / name).string(); }
  std::filesystem::path folder;
};

int64_t Total(const profile::Profile& profile) {
  int64_t total = 0;
  for (const profile::Sample& sample : profile.samples) total += sample.values.at(0);
  return total;
}

TEST_F(ProfileFiles, EveryFormatWritesAndAllButThePageReadBack) {
  const profile::Profile example = profile::ExampleProfile();
  for (const FileFormat& format : FileFormats()) {
    const std::string path = Path("profile" + std::string(format.suffix));
    ASSERT_TRUE(WriteProfileFile(example, path).ok()) << path;
    const auto read = ReadProfileFile(path);
    if (format.decode == nullptr) {
      EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument) << path;
      continue;
    }
    ASSERT_TRUE(read.ok()) << Message(read.status());
    EXPECT_EQ(Total(*read), 100) << path;
  }
}

TEST_F(ProfileFiles, LosslessFormatsKeepEveryStack) {
  const profile::Profile example = profile::ExampleProfile();
  for (const char* name : {"a.pb.gz", "a.pprof", "a.otlp"}) {
    ASSERT_TRUE(WriteProfileFile(example, Path(name)).ok());
    EXPECT_EQ(profile::TotalsByStack(*ReadProfileFile(Path(name))), profile::TotalsByStack(example)) << name;
  }
}

TEST(FormatOfPath, GoesByTheSuffix) {
  EXPECT_EQ(FormatOfPath("/tmp/a.pb.gz")->suffix, ".pb.gz");
  EXPECT_EQ(FormatOfPath("a.b.speedscope.json")->suffix, ".speedscope.json");
  for (const char* none : {"", "a", "a.json", "a.gz", ".html", "a.HTML", "a.html/"})
    EXPECT_EQ(FormatOfPath(none), nullptr);
}

TEST_F(ProfileFiles, TakesGzipWithoutASuffixAsPprof) {
  ASSERT_TRUE(WriteProfileFile(profile::ExampleProfile(), Path("a.pb.gz")).ok());
  std::filesystem::rename(Path("a.pb.gz"), Path("cpu.prof"));
  EXPECT_TRUE(ReadProfileFile(Path("cpu.prof")).ok());
}

TEST_F(ProfileFiles, NamesWhatItCannotRead) {
  EXPECT_EQ(ReadProfileFile(Path("none.pb.gz")).status().code(), absl::StatusCode::kNotFound);
  std::ofstream(Path("a.txt")) << "hello";
  const auto unknown = ReadProfileFile(Path("a.txt"));
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(unknown.status())), HasSubstr("a.txt has none of the suffixes"));
  for (const FileFormat& format : FileFormats()) {
    if (format.decode == nullptr) continue;
    const std::string path = Path("bad" + std::string(format.suffix));
    std::ofstream(path) << "\x1f\x8b{[damaged";
    const auto damaged = ReadProfileFile(path);
    EXPECT_EQ(damaged.status().code(), absl::StatusCode::kDataLoss) << path;
    EXPECT_THAT(std::string(Message(damaged.status())), HasSubstr(path));
  }
}

TEST_F(ProfileFiles, RefusesToWriteAnUnknownSuffix) {
  EXPECT_EQ(WriteProfileFile(profile::ExampleProfile(), Path("a.svg")).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(Path("a.svg")));
}

}  // namespace
}  // namespace kiln::agent
