// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/record_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A folder with a /proc of one process (42, with thread 43) and a cgroup.
class RecordValidation : public testing::Test {
 protected:
  RecordValidation() {
    std::string name = (std::filesystem::temp_directory_path() / "kiln-validation.XXXXXX").string();
    folder = ::mkdtemp(name.data());
    Write("proc/42/status", "Name:\tapp\nTgid:\t42\nPid:\t42\n");
    Write("proc/43/status", "Name:\tapp\nTgid:\t42\nPid:\t43\n");
    Write("group/cgroup.procs", "");
    Write("plain/file", "");
    arguments.outputs = {Path("out.pb.gz")};
  }
  ~RecordValidation() override { std::filesystem::remove_all(folder); }

  std::string Path(std::string_view name) const { return (folder / name).string(); }
  void Write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << content;
  }
  std::variant<RecordOptions, Failure> Validate() const {
    return ValidateRecordOptions(arguments, 1,
                                 {.proc_root = Path("proc"), .host_name = "box", .now = {}, .time_zone = {}});
  }
  RecordOptions Good() const {
    auto result = Validate();
    if (const auto* failure = std::get_if<Failure>(&result)) {
      ADD_FAILURE() << failure->sentence;
      return {};
    }
    return std::get<RecordOptions>(result);
  }
  void ExpectFailure(ExitCode code, std::string_view part) const {
    const auto result = Validate();
    const auto* failure = std::get_if<Failure>(&result);
    ASSERT_NE(failure, nullptr) << "nothing was wrong";
    EXPECT_EQ(failure->code, code) << failure->sentence;
    EXPECT_THAT(failure->sentence, HasSubstr(std::string(part)));
  }

  std::filesystem::path folder;
  RecordArguments arguments;
};

TEST_F(RecordValidation, TakesTheWholeHostWithoutATarget) {
  const RecordOptions options = Good();
  EXPECT_TRUE(options.all);
  EXPECT_EQ(options.frequency_hz, 99);
  EXPECT_EQ(options.event, "cpu-clock");
  EXPECT_EQ(options.duration, std::nullopt);
  EXPECT_EQ(options.verbose, 1);
}

TEST_F(RecordValidation, TakesEveryOption) {
  arguments.pids = {"42,42", "42"};
  arguments.comm = "^ng.*x$";
  arguments.cgroups = {Path("group/../group")};
  arguments.frequency = "997";
  arguments.event = "cycles";
  arguments.duration = "500ms";
  arguments.no_kernel = true;
  arguments.stats = Path("stats.json");
  arguments.outputs = {Path("a.html"), Path("a.folded"), Path("a.speedscope.json"), Path("a.otlp"), Path("a.pb.gz")};
  const RecordOptions options = Good();
  EXPECT_FALSE(options.all);
  EXPECT_THAT(options.pids, ElementsAre(42));
  EXPECT_EQ(options.comm_regex, "^ng.*x$");
  EXPECT_THAT(options.cgroups, ElementsAre(std::filesystem::canonical(folder / "group").string()));
  EXPECT_EQ(options.frequency_hz, 997);
  EXPECT_EQ(options.event, "cycles");
  EXPECT_EQ(options.duration, absl::Milliseconds(500));
  EXPECT_TRUE(options.no_kernel);
  EXPECT_EQ(options.outputs.size(), 5u);
  EXPECT_EQ(options.stats_file, Path("stats.json"));
}

TEST_F(RecordValidation, RecordsACommandAloneOrWithTheHost) {
  arguments.has_separator = true;
  arguments.command = {"ls", "-l"};
  EXPECT_FALSE(Good().all);
  EXPECT_THAT(Good().command, ElementsAre("ls", "-l"));
  arguments.all = true;
  EXPECT_TRUE(Good().all);
}

TEST_F(RecordValidation, RefusesCombinationsThatMeanNothing) {
  arguments.pids = {"42"};
  arguments.all = true;
  ExpectFailure(ExitCode::kUsage, "--pid and --all exclude each other");
  arguments.all = false;
  arguments.has_separator = true;
  arguments.command = {"ls"};
  ExpectFailure(ExitCode::kUsage, "--pid and a command exclude each other");
}

TEST_F(RecordValidation, AsksForTheSeparatorAndTheCommand) {
  arguments.stray = {"./app"};
  ExpectFailure(ExitCode::kUsage, "put -- before a command, as in kiln record -- ./app");
  arguments.stray.clear();
  arguments.has_separator = true;
  ExpectFailure(ExitCode::kUsage, "there is no command behind --");
  arguments.command = {""};
  ExpectFailure(ExitCode::kUsage, "there is no command behind --");
}

TEST_F(RecordValidation, ChecksPids) {
  arguments.pids = {"7"};
  ExpectFailure(ExitCode::kNoInput, "there is no process 7");
  arguments.pids = {"43"};
  ExpectFailure(ExitCode::kNoInput, "43 is a thread of process 42: give --pid 42");
  for (const char* bad : {"x", "42,", ",", "", "0", "-1", "99999999999"}) {
    arguments.pids = {bad};
    ExpectFailure(ExitCode::kUsage, "--pid is ");
  }
}

TEST_F(RecordValidation, ChecksValues) {
  arguments.frequency = "10001";
  ExpectFailure(ExitCode::kUsage, "--frequency is '10001'");
  arguments.frequency = "99";
  arguments.event = "instructions";
  ExpectFailure(ExitCode::kUsage, "give cpu-clock or cycles");
  arguments.event = "cpu-clock";
  arguments.duration = "soon";
  ExpectFailure(ExitCode::kUsage, "--duration is 'soon'");
  arguments.duration = "";
  arguments.comm = "(";
  ExpectFailure(ExitCode::kUsage, "--comm is '(', which is no regular expression");
}

TEST_F(RecordValidation, ChecksCgroups) {
  arguments.cgroups = {Path("nowhere")};
  ExpectFailure(ExitCode::kNoInput, "there is no cgroup folder");
  arguments.cgroups = {Path("plain/file")};
  ExpectFailure(ExitCode::kNoInput, "there is no cgroup folder");
  arguments.cgroups = {Path("plain")};
  ExpectFailure(ExitCode::kNoInput, "is a folder but no cgroup");
}

TEST_F(RecordValidation, ChecksOutputsAndLeavesNothingBehind) {
  arguments.outputs = {Path("out.xyz")};
  ExpectFailure(ExitCode::kUsage, ".speedscope.json");
  arguments.outputs = {Path("a.html"), Path("a.html")};
  ExpectFailure(ExitCode::kUsage, "twice");
  arguments.outputs = {Path("missing/out.pb.gz")};
  ExpectFailure(ExitCode::kCantCreate, "missing/out.pb.gz");
  arguments.outputs = {Path("plain/out.pb.gz")};
  Good();
  EXPECT_FALSE(std::filesystem::exists(folder / "plain/out.pb.gz"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "plain"), {}), 1);
}

TEST_F(RecordValidation, ChecksTheFileForStatistics) {
  arguments.stats = Path("missing/stats.json");
  ExpectFailure(ExitCode::kCantCreate, "missing/stats.json");
  arguments.stats = Path("out.pb.gz");
  ExpectFailure(ExitCode::kUsage, "--stats and --output both name");
  arguments.stats = Path("plain/stats.json");
  Good();
  EXPECT_FALSE(std::filesystem::exists(folder / "plain/stats.json"));
}

TEST(DefaultOutputs, AreNamedAfterHostAndTime) {
  const absl::Time now = absl::FromCivil(absl::CivilSecond(2026, 11, 21, 9, 8, 7), absl::UTCTimeZone());
  EXPECT_THAT(DefaultOutputs("web-1.lan", now, absl::UTCTimeZone()),
              ElementsAre("kiln-web-1.lan-20261121-090807.pb.gz", "kiln-web-1.lan-20261121-090807.html"));
  EXPECT_THAT(DefaultOutputs("../x y", now, absl::UTCTimeZone())[0], "kiln-..-x-y-20261121-090807.pb.gz");
  EXPECT_THAT(DefaultOutputs("", now, absl::UTCTimeZone())[0], "kiln-host-20261121-090807.pb.gz");
}

}  // namespace
}  // namespace kiln::agent
