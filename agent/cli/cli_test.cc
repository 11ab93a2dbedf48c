// SPDX-License-Identifier: Apache-2.0
// The whole command line but for the recorder, as a user meets it: words in, text and exit status out.
#include "agent/cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <optional>

#include "agent/cli/arguments.h"
#include "agent/cli/command_model.h"
#include "agent/cli/completions.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/man_page.h"
#include "agent/cli/profile_files.h"
#include "agent/cli/top_help.h"
#include "profile/testing.h"

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
  std::optional<RecordOptions> recorded;
  std::optional<TopOptions> shown;
  std::optional<SymbolizeOptions> symbolized;
};

Outcome Kiln(std::vector<std::string> words) {
  words.insert(words.begin(), "kiln");
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  Outcome outcome;
  const CommandLineHooks hooks = {.record =
                                      [&](const RecordOptions& options) {
                                        outcome.recorded = options;
                                        return 17;
                                      },
                                  .top =
                                      [&](const TopOptions& options) {
                                        outcome.shown = options;
                                        return 18;
                                      },
                                  .symbolize =
                                      [&](const SymbolizeOptions& options) {
                                        outcome.symbolized = options;
                                        return 19;
                                      }};
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  outcome.status = RunCommandLine(static_cast<int>(argv.size()), argv.data(), hooks);
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

void ExpectUsageError(const std::vector<std::string>& words, const std::string& part) {
  const Outcome outcome = Kiln(words);
  EXPECT_EQ(outcome.status, 64) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr(part));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_FALSE(outcome.recorded);
}

class InTemporaryFolder : public testing::Test {
 protected:
  InTemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "kiln-cli.XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  ~InTemporaryFolder() override { std::filesystem::remove_all(folder); }
  std::string Path(std::string_view name) const { return (folder / name).string(); }
  std::filesystem::path folder;
};

TEST(BareRun, ShowsExamplesOnAboutADozenLines) {
  const Outcome outcome = Kiln({});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("kiln record -- ./app"));
  EXPECT_LE(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 13);
}

using RecordCommand = InTemporaryFolder;

TEST_F(RecordCommand, HandsOptionsOverAndPassesTheStatusOn) {
  const Outcome outcome =
      Kiln({"record", "-p", fmt::format("{}", ::getpid()), "-F", "997", "-d", "10s", "-o", Path("a.pb.gz"),
            "--output=" + Path("a.folded"), "--no-kernel", "--stats", Path("stats.json"), "-vv"});
  EXPECT_EQ(outcome.status, 17) << outcome.err;
  ASSERT_TRUE(outcome.recorded);
  EXPECT_THAT(outcome.recorded->pids, ElementsAre(::getpid()));
  EXPECT_EQ(outcome.recorded->frequency_hz, 997);
  EXPECT_EQ(outcome.recorded->duration, absl::Seconds(10));
  EXPECT_THAT(outcome.recorded->outputs, ElementsAre(Path("a.pb.gz"), Path("a.folded")));
  EXPECT_TRUE(outcome.recorded->no_kernel);
  EXPECT_EQ(outcome.recorded->stats_file, Path("stats.json"));
  EXPECT_EQ(outcome.recorded->verbose, 2);
  EXPECT_FALSE(outcome.recorded->all);
}

TEST_F(RecordCommand, LeavesEverythingBehindTheSeparatorToTheCommand) {
  const Outcome outcome = Kiln({"record", "-o", Path("a.pb.gz"), "--", "prog", "-F", "x", "--", "--help", "record"});
  ASSERT_TRUE(outcome.recorded) << outcome.err;
  EXPECT_THAT(outcome.recorded->command, ElementsAre("prog", "-F", "x", "--", "--help", "record"));
  EXPECT_EQ(outcome.recorded->frequency_hz, 99);
}

TEST(TopCommand, HandsOptionsOverAndPassesTheStatusOn) {
  const Outcome outcome = Kiln({"top", "-p", fmt::format("{}", ::getpid()), "-i", "5s", "--by", "process", "--tree"});
  EXPECT_EQ(outcome.status, 18) << outcome.err;
  ASSERT_TRUE(outcome.shown);
  EXPECT_THAT(outcome.shown->pids, ElementsAre(::getpid()));
  EXPECT_EQ(outcome.shown->interval, absl::Seconds(5));
  EXPECT_EQ(outcome.shown->by, TopGrouping::kProcess);
  EXPECT_TRUE(outcome.shown->tree);
  EXPECT_FALSE(outcome.recorded);
}

TEST(SymbolizeCommand, HandsOptionsOverAndPassesTheStatusOn) {
  const Outcome outcome = Kiln({"symbolize", "-e", "app", "0x10", "20", "-j", ".text", "--debug-dir", "/usr", "30",
                                "--debug-dir=/tmp", "--return-addresses", "--json"});
  EXPECT_EQ(outcome.status, 19) << outcome.err;
  ASSERT_TRUE(outcome.symbolized);
  EXPECT_EQ(outcome.symbolized->exe, "app");
  EXPECT_EQ(outcome.symbolized->section, ".text");
  EXPECT_THAT(outcome.symbolized->addresses, ElementsAre(0x10, 0x20, 0x30));
  EXPECT_THAT(outcome.symbolized->debug_folders, ElementsAre("/usr", "/tmp"));
  EXPECT_TRUE(outcome.symbolized->return_addresses);
  EXPECT_TRUE(outcome.symbolized->json);
  EXPECT_TRUE(outcome.symbolized->inlines);
  EXPECT_EQ(Kiln({"symbolize", "-p", "1"}).symbolized->pid, Pid{1});
}

TEST(UsageErrors, AreOneSentenceWithAMend) {
  ExpectUsageError({"rekord"}, "there is no command 'rekord': did you mean record?");
  ExpectUsageError({"banana"}, "there is no command 'banana': kiln --help lists them");
  ExpectUsageError({"--bogus"}, "there is no option '--bogus'");
  ExpectUsageError({"record", "--freqency", "9"}, "there is no option '--freqency': did you mean --frequency?");
  ExpectUsageError({"record", "--freqency=9"}, "did you mean --frequency?");
  ExpectUsageError({"record", "-x"}, "there is no option '-x': see kiln record --help");
  ExpectUsageError({"record", "-F"}, "--frequency needs one value");
  ExpectUsageError({"record", "./app"}, "put -- before a command");
  ExpectUsageError({"record", "-F", "many"}, "--frequency is 'many'");
  ExpectUsageError({"record", "-d", "-1s"}, "-1s");
  ExpectUsageError({"record", "--"}, "there is no command behind --");
  ExpectUsageError({"top", "--sort", "name"}, "--sort is 'name'");
  ExpectUsageError({"top", "--interva", "2s"}, "did you mean --interval?");
  ExpectUsageError({"symbolize", "1234"}, "--exe FILE");
  ExpectUsageError({"symbolize", "-e", "a", "main"}, "'main' is no address");
  ExpectUsageError({"symbolize", "-e", "a", "--debugdir", "/"}, "did you mean --debug-dir?");
  ExpectUsageError({"top", "1234"}, "'1234' is one argument too many");
  ExpectUsageError({"report"}, "FILE is missing");
  ExpectUsageError({"report", "--top", "0", "x.pb.gz"}, "--top is '0'");
  ExpectUsageError({"report", "a.pb.gz", "b.pb.gz"}, "'b.pb.gz' is one argument too many");
  ExpectUsageError({"report", "a.pb.gz", "--", "x"}, "-- goes with record only");
  ExpectUsageError({"convert", "a.pb.gz"}, "OUT is missing");
  ExpectUsageError({"convert", "a.pb.gz", "b.svg"}, "OUT is 'b.svg': end the name with one of .pb.gz");
  ExpectUsageError({"view", "--no-serve", "a.pb.gz"}, "name a file with -o");
  ExpectUsageError({"completions", "tcsh"}, "give bash, zsh or fish");
}

TEST(UsageErrors, AreHarmlessOnATerminal) {
  const Outcome outcome = Kiln({"\x1b[2J"});
  EXPECT_EQ(outcome.status, 64);
  EXPECT_THAT(outcome.err, Not(HasSubstr("\x1b")));
}

TEST(Version, IsTheSameByCommandAndOption) {
  EXPECT_THAT(Kiln({"version"}).out, testing::StartsWith("kiln "));
  EXPECT_EQ(Kiln({"version"}).out, Kiln({"--version"}).out);
  EXPECT_EQ(Kiln({"version"}).status, 0);
}

TEST(Help, ShowsEveryOptionOfEachCommand) {
  CLI::App app;
  Arguments arguments;
  DefineCommandLine(app, arguments);
  for (const CommandModel& command : DescribeCommandLine(app).commands) {
    const Outcome outcome = Kiln({command.name, "--help"});
    EXPECT_EQ(outcome.status, 0) << command.name;
    EXPECT_THAT(outcome.out, HasSubstr(command.Usage()));
    for (const OptionModel& option : command.options) EXPECT_THAT(outcome.out, HasSubstr(option.Synopsis()));
  }
  EXPECT_THAT(Kiln({"--help"}).out, HasSubstr("Commands:\n"));
}

using ReadingCommands = InTemporaryFolder;

TEST_F(ReadingCommands, ReportPrintsSummaryAndTable) {
  ASSERT_TRUE(WriteProfileFile(profile::ExampleProfile(), Path("a.pb.gz")).ok());
  const Outcome table = Kiln({"report", Path("a.pb.gz"), "--top", "1"});
  EXPECT_EQ(table.status, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("100 samples at 99 Hz"));
  EXPECT_THAT(table.out, HasSubstr("  77.00   77.00  add(int)  app\n"));
  EXPECT_THAT(table.out, Not(HasSubstr("vfs_read")));
  const Outcome tree = Kiln({"report", "--tree", Path("a.pb.gz")});
  EXPECT_EQ(tree.status, 0) << tree.err;
  EXPECT_THAT(tree.out, HasSubstr("app (42)"));
}

TEST_F(ReadingCommands, ConvertKeepsTheStacks) {
  ASSERT_TRUE(WriteProfileFile(profile::ExampleProfile(), Path("a.pb.gz")).ok());
  const Outcome outcome = Kiln({"convert", Path("a.pb.gz"), Path("b.otlp")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(profile::TotalsByStack(*ReadProfileFile(Path("b.otlp"))),
            profile::TotalsByStack(profile::ExampleProfile()));
}

TEST_F(ReadingCommands, ViewWritesThePage) {
  ASSERT_TRUE(WriteProfileFile(profile::ExampleProfile(), Path("a.pb.gz")).ok());
  EXPECT_EQ(Kiln({"view", Path("a.pb.gz"), "--no-serve", "-o", Path("a.html")}).status, 0);
  EXPECT_GT(std::filesystem::file_size(Path("a.html")), 1000u);
}

TEST_F(ReadingCommands, ExitStatusTellsWhatWasWrong) {
  EXPECT_EQ(Kiln({"report", Path("none.pb.gz")}).status, 66);
  ASSERT_TRUE(WriteProfileFile(profile::ExampleProfile(), Path("a.pb.gz")).ok());
  EXPECT_EQ(Kiln({"convert", Path("a.pb.gz"), Path("missing/b.otlp")}).status, 73);
  std::filesystem::resize_file(Path("a.pb.gz"), 20);
  EXPECT_EQ(Kiln({"report", Path("a.pb.gz")}).status, 65);
}

ProgramModel Model() {
  static Arguments arguments;
  CLI::App app;
  DefineCommandLine(app, arguments);
  return DescribeCommandLine(app);
}

TEST(ManPage, HasEveryOptionFormatAndExitStatus) {
  const std::string page = RenderManPage(Model(), "1.2.3");
  EXPECT_THAT(page, HasSubstr("\"kiln 1.2.3\""));
  for (const CommandModel& command : Model().commands) {
    for (const OptionModel& option : command.options) {
      std::string name = option.long_name;
      for (size_t at = 0; (at = name.find('-', at)) != std::string::npos; at += 2) name.replace(at, 1, "\\-");
      EXPECT_THAT(page, HasSubstr("\\-\\-" + name));
    }
  }
  for (const FileFormat& format : FileFormats()) EXPECT_THAT(page, HasSubstr("\\&" + std::string(format.suffix)));
  for (const TopHelpEntry& column : kTopColumns) {
    EXPECT_THAT(page, HasSubstr(fmt::format("\\fB{}\\fR\n", column.term)));
  }
  for (const ExitCodeMeaning& code : kExitCodes) {
    EXPECT_THAT(page, HasSubstr(fmt::format(".TP\n\\fB{}\\fR\n", static_cast<int>(code.code))));
  }
}

// What bash would offer for the last of `words`, sorted.
std::vector<std::string> CompleteInBash(const std::string& words, int count) {
  const std::string script =
      *RenderCompletions(Model(), "bash") +
      fmt::format("\nCOMP_WORDS=({}) COMP_CWORD={}\n_kiln\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n", words, count - 1);
  const std::string path = testing::TempDir() + fmt::format("kiln-completion-{}.bash", ::getpid());
  if (FILE* file = std::fopen(path.c_str(), "w"); file != nullptr) {
    std::fputs(script.c_str(), file);
    std::fclose(file);
  }
  FILE* bash = ::popen(("bash --norc " + path + " 2>&1").c_str(), "r");
  std::string output;
  for (int c = 0; (c = std::fgetc(bash)) != EOF;) output += static_cast<char>(c);
  ::pclose(bash);
  std::filesystem::remove(path);
  std::vector<std::string> offers;
  for (size_t from = 0; from < output.size();) {
    const size_t to = output.find('\n', from);
    if (to > from) offers.push_back(output.substr(from, to - from));
    from = to + 1;
  }
  std::sort(offers.begin(), offers.end());
  return offers;
}

TEST(BashCompletion, OffersCommandsOptionsAndChoices) {
  EXPECT_THAT(CompleteInBash("kiln re", 2), ElementsAre("record", "report"));
  EXPECT_THAT(CompleteInBash("kiln record --fr", 3), ElementsAre("--frequency"));
  EXPECT_THAT(CompleteInBash("kiln record --event c", 4), ElementsAre("cpu-clock", "cycles"));
  EXPECT_THAT(CompleteInBash("kiln completions ''", 3), ElementsAre("bash", "fish", "zsh"));
  EXPECT_THAT(CompleteInBash(fmt::format("kiln record -p {}", ::getpid()), 4),
              testing::Contains(fmt::format("{}", ::getpid())));
  EXPECT_THAT(CompleteInBash("kiln report base/fil", 3), testing::Contains("base/file.cc"));
  EXPECT_THAT(CompleteInBash("kiln record -- bas", 4), testing::Contains("bash"));
}

TEST(Completions, OfEveryShellNameEveryOption) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = *RenderCompletions(Model(), shell);
    for (const CommandModel& command : Model().commands) {
      EXPECT_THAT(script, HasSubstr(command.name)) << shell;
      for (const OptionModel& option : command.options) EXPECT_THAT(script, HasSubstr(option.long_name)) << shell;
    }
  }
}

TEST(ExitCodes, FollowTheStatus) {
  EXPECT_EQ(ExitCodeFor(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(ExitCodeFor(absl::PermissionDeniedError("")), ExitCode::kNoPermission);
  EXPECT_EQ(ExitCodeFor(absl::NotFoundError("")), ExitCode::kNoInput);
  EXPECT_EQ(ExitCodeFor(absl::DataLossError("")), ExitCode::kDataError);
  EXPECT_EQ(ExitCodeFor(absl::AbortedError("")), ExitCode::kIoError);
}

}  // namespace
}  // namespace kiln::agent
