// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/top_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TopOptions Good(const TopArguments& arguments) {
  auto result = ValidateTopOptions(arguments, "/proc");
  if (const auto* failure = std::get_if<Failure>(&result)) {
    ADD_FAILURE() << failure->sentence;
    return {};
  }
  return std::get<TopOptions>(result);
}

void ExpectUsageError(const TopArguments& arguments, const std::string& part) {
  const auto result = ValidateTopOptions(arguments, "/proc");
  const auto* failure = std::get_if<Failure>(&result);
  ASSERT_NE(failure, nullptr) << "nothing was wrong, but should be: " << part;
  EXPECT_EQ(failure->code, ExitCode::kUsage);
  EXPECT_THAT(failure->sentence, HasSubstr(part));
}

TopArguments With(const std::function<void(TopArguments&)>& change) {
  TopArguments arguments;
  change(arguments);
  return arguments;
}

TEST(TopValidation, HasDefaults) {
  const TopOptions options = Good({});
  EXPECT_EQ(options.interval, absl::Seconds(2));
  EXPECT_EQ(options.frequency_hz, 99);
  EXPECT_FALSE(options.duration);
  EXPECT_EQ(options.by, TopGrouping::kFunction);
  EXPECT_EQ(options.sort, TopSort::kSelf);
  EXPECT_FALSE(options.lines);
  EXPECT_FALSE(options.has_target());
}

TEST(TopValidation, TakesEveryOption) {
  TopArguments arguments;
  arguments.pids = {std::to_string(::getpid())};
  arguments.comm = "^a";
  arguments.frequency = "199";
  arguments.interval = "500ms";
  arguments.duration = "10s";
  arguments.sort = "total";
  arguments.by = "thread";
  arguments.lines = "7";
  arguments.json = true;
  arguments.no_kernel = true;
  arguments.unwind_memory = "8MiB";
  arguments.unwind_cache = "none";
  const TopOptions options = Good(arguments);
  EXPECT_THAT(options.pids, ElementsAre(::getpid()));
  EXPECT_EQ(options.comm_regex, "^a");
  EXPECT_EQ(options.frequency_hz, 199);
  EXPECT_EQ(options.interval, absl::Milliseconds(500));
  EXPECT_EQ(options.duration, absl::Seconds(10));
  EXPECT_EQ(options.sort, TopSort::kTotal);
  EXPECT_EQ(options.by, TopGrouping::kThread);
  EXPECT_EQ(options.lines, 7u);
  EXPECT_TRUE(options.json);
  EXPECT_TRUE(options.no_kernel);
  EXPECT_EQ(options.unwind_memory_bytes, 8u << 20);
  EXPECT_EQ(options.unwind_cache, "none");
}

TEST(TopValidation, TakesEitherTimeAsTheLengthOfTheOneInterval) {
  EXPECT_EQ(Good(With([](auto& a) { a.once = true, a.duration = "10m"; })).interval, absl::Minutes(10));
  EXPECT_EQ(Good(With([](auto& a) { a.once = true, a.interval = "5s"; })).interval, absl::Seconds(5));
  EXPECT_FALSE(Good(With([](auto& a) { a.once = true, a.duration = "5s"; })).duration);
  ExpectUsageError(With([](auto& a) { a.once = true, a.duration = "5s", a.interval = "5s"; }), "leave one of them out");
  ExpectUsageError(With([](auto& a) { a.once = true, a.duration = "0.1s"; }), "--duration is '0.1s'");
}

TEST(TopValidation, SaysWhatIsWrong) {
  ExpectUsageError(With([](auto& a) { a.interval = "0.4s"; }), "--interval is '0.4s': give a time from 0.5s to 60s");
  ExpectUsageError(With([](auto& a) { a.interval = "61s"; }), "--interval is '61s'");
  ExpectUsageError(With([](auto& a) { a.interval = "soon"; }), "--interval is 'soon'");
  ExpectUsageError(With([](auto& a) { a.duration = "-1s"; }), "--duration is '-1s'");
  ExpectUsageError(With([](auto& a) { a.sort = "name"; }), "--sort is 'name': give self, total or cpu");
  ExpectUsageError(With([](auto& a) { a.by = "file"; }), "--by is 'file': give function, process or thread");
  ExpectUsageError(With([](auto& a) { a.lines = "0"; }), "--lines is '0'");
  ExpectUsageError(With([](auto& a) { a.frequency = "0"; }), "--frequency is '0'");
  ExpectUsageError(With([](auto& a) { a.comm = "("; }), "--comm is '('");
  ExpectUsageError(With([](auto& a) { a.json = a.tree = true; }), "--json has no tree");
}

}  // namespace
}  // namespace kiln::agent
