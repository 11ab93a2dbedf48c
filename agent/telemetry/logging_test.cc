// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/logging.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/fd.h"

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Time kTime = absl::FromUnixMillis(1'763'800'424'007);

class AgentLogTest : public testing::Test {
 protected:
  AgentLog Make(LogSettings settings) {
    return AgentLog(
        settings, [this](std::string_view line) { lines_.emplace_back(line); }, [] { return kTime; },
        [this] { return monotonic_; });
  }
  std::vector<std::string> lines_;
  absl::Duration monotonic_ = absl::Hours(5);
};

TEST_F(AgentLogTest, WritesTextForPeople) {
  AgentLog log = Make({});
  log.Info("agent.started", "sampling", {{"cpus", int64_t{4}}, {"share", 0.25}, {"on", true}, {"name", "two words"}});
  log.Warn("x", "evil\nline", {{"comm", "a\x1b[31m\"b=c"}, {"empty", ""}});
  EXPECT_THAT(lines_,
              ElementsAre("2025-11-22T08:33:44.007Z INFO  agent.started: sampling cpus=4 share=0.25 on=true "
                          "name=\"two words\"\n",
                          "2025-11-22T08:33:44.007Z WARN  x: evil\\nline comm=\"a\\x1b[31m\\\"b=c\" empty=\"\"\n"));
}

TEST_F(AgentLogTest, WritesJsonLines) {
  AgentLog log = Make({.format = LogFormat::kJson});
  log.Error("export.failed", "it \"broke\"\n\xff",
            {{"exporter", "otlp"}, {"items", int64_t{7}}, {"level", "high"}, {"ratio", 1.0 / 0.0}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(std::count(lines_[0].begin(), lines_[0].end(), '\n'), 1);
  EXPECT_THAT(lines_[0], testing::StartsWith(R"({"time":"2025-11-22T08:33:44.007Z","level":"error","event":)"));
  const auto json = nlohmann::json::parse(lines_[0]);
  EXPECT_EQ(json["event"], "export.failed");
  EXPECT_EQ(json["message"], "it \"broke\"\n\xef\xbf\xbd");
  EXPECT_EQ(json["exporter"], "otlp");
  EXPECT_EQ(json["items"], 7);
  EXPECT_EQ(json["level_"], "high");
  EXPECT_EQ(json["ratio"], "inf");
}

TEST_F(AgentLogTest, TellsTheJournalTheSeverityAndLeavesItTheTime) {
  AgentLog log = Make({.journal = true});
  log.Warn("a", "b");
  log.Error("a", "b");
  log.Info("a", "b");
  EXPECT_THAT(lines_, ElementsAre("<4>a: b\n", "<3>a: b\n", "<6>a: b\n"));
}

TEST_F(AgentLogTest, NeverWritesSecrets) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    AgentLog log = Make({.format = format});
    log.Info("config", "headers Authorization: Bearer abcdefg1 to https://me:hunter2@host/",
             {{"authorization", "Basic dXNlcjpwYXNz"}, {"client_secret", "s3"}, {"url", "http://u:hunter2@h"}});
  }
  for (const std::string& line : lines_) {
    for (const char* secret : {"abcdefg1", "hunter2", "dXNlcjpwYXNz", "s3"}) {
      EXPECT_THAT(line, testing::Not(HasSubstr(secret)));
    }
    EXPECT_THAT(line, HasSubstr("[redacted]@h"));
  }
}

TEST_F(AgentLogTest, KeepsToTheSeverity) {
  AgentLog log = Make({.severity = LogSeverity::kWarn});
  log.Info("a", "1");
  log.Limited(LogSeverity::kInfo, "a", "", "2");
  log.Warn("a", "3");
  log.Configure(LogSeverity::kDebug, LogFormat::kText);
  log.Debug("a", "4");
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_THAT(lines_[0], HasSubstr("a: 3"));
  EXPECT_THAT(lines_[1], HasSubstr("DEBUG a: 4"));
}

TEST_F(AgentLogTest, HoldsRepeatsBackAndCountsThem) {
  AgentLog log = Make({.journal = true, .repeat_interval = absl::Seconds(60)});
  const auto fail = [&](std::string_view exporter) { log.Limited(LogSeverity::kWarn, "failed", exporter, "503"); };
  fail("a");
  fail("b");
  for (int i = 0; i < 5; ++i) fail("a");
  monotonic_ += absl::Seconds(59);
  fail("a");
  EXPECT_THAT(lines_, ElementsAre("<4>failed: 503\n", "<4>failed: 503\n"));
  monotonic_ += absl::Seconds(1);
  fail("a");
  fail("b");
  EXPECT_THAT(lines_,
              ElementsAre("<4>failed: 503\n", "<4>failed: 503\n", "<4>failed: 503 suppressed=6\n", "<4>failed: 503\n"));
}

TEST_F(AgentLogTest, TellsOfTheLastOnesToo) {
  AgentLog log = Make({.journal = true, .repeat_interval = absl::Seconds(60)});
  log.Limited(LogSeverity::kError, "failed", "a", "503");
  log.Limited(LogSeverity::kError, "failed", "a", "503");
  log.Limited(LogSeverity::kError, "other", "", "x");
  lines_.clear();
  log.ReportSuppressed();
  EXPECT_THAT(lines_, ElementsAre());
  monotonic_ += absl::Seconds(60);
  log.ReportSuppressed();
  EXPECT_THAT(lines_, ElementsAre("<3>failed: the same was held back since it was last written key=a suppressed=1\n"));
  log.Limited(LogSeverity::kError, "failed", "a", "503");  // told of a moment ago
  log.ReportSuppressed();
  EXPECT_EQ(lines_.size(), 1u);
  log.ReportSuppressed(true);
  EXPECT_EQ(lines_.size(), 2u);
}

TEST_F(AgentLogTest, RemembersABoundedNumberOfKeys) {
  AgentLog log = Make({});
  for (int i = 0; i < 5000; ++i) log.Limited(LogSeverity::kWarn, "e", fmt::format("{}", i), "m");
  EXPECT_EQ(lines_.size(), 5000u);
  for (int i = 0; i < 5000; ++i) {
    log.Limited(LogSeverity::kWarn, "f", fmt::format("{}", i), "m");
    log.Limited(LogSeverity::kWarn, "f", fmt::format("{}", i), "m");
  }
  lines_.clear();
  log.ReportSuppressed(true);
  EXPECT_LE(lines_.size(), 1025u);
}

TEST_F(AgentLogTest, WritesWholeLinesFromManyThreads) {
  AgentLog log = Make({.journal = true});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&log] {
      for (int j = 0; j < 100; ++j) log.Info("e", "m");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lines_.size(), 400u);
  for (const std::string& line : lines_) EXPECT_EQ(line, "<6>e: m\n");
}

TEST_F(AgentLogTest, TakesSpdlogsMessages) {
  const auto before = spdlog::default_logger();
  {
    AgentLog log = Make({.journal = true});
    log.TakeOverSpdlog();
    spdlog::warn("from a library {}", 1);
    spdlog::debug("too little");
  }
  spdlog::error("after its end");
  spdlog::set_default_logger(before);
  EXPECT_THAT(lines_, ElementsAre("<4>log: from a library 1\n"));
}

TEST(Journal, IsRecognisedByDeviceAndInode) {
  const UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  struct stat info {};
  ASSERT_EQ(::fstat(fd.get(), &info), 0);
  EXPECT_TRUE(GoesToJournal(fmt::format("{}:{}", info.st_dev, info.st_ino).c_str(), fd.get()));
  EXPECT_FALSE(GoesToJournal(fmt::format("{}:{}", info.st_dev, info.st_ino + 1).c_str(), fd.get()));
  EXPECT_FALSE(GoesToJournal(nullptr, fd.get()));
  EXPECT_FALSE(GoesToJournal("nonsense", fd.get()));
  EXPECT_FALSE(GoesToJournal("1:1", -1));
}

}  // namespace
}  // namespace kiln::agent
