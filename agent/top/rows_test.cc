// SPDX-License-Identifier: Apache-2.0
#include "agent/top/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/top/testing.h"
#include "profile/testing.h"

namespace kiln::agent {
namespace {

std::vector<std::string> Functions(const std::vector<TopRow>& rows) {
  std::vector<std::string> names;
  for (const TopRow& row : rows) names.push_back(row.function);
  return names;
}

using ::testing::ElementsAre;

TEST(FunctionRows, CountSelfAndTotalAndNameTheProcessThatHasMost) {
  const auto rows = CountRows(ExampleInterval().profile, TopGrouping::kFunction, TopSort::kSelf);
  ASSERT_THAT(Functions(rows), ElementsAre("add", "read", "idle_work", "main", "work", "load"));
  EXPECT_EQ(rows[0].self, 130);
  EXPECT_EQ(rows[0].total, 130);
  EXPECT_EQ(rows[0].module, "app");
  EXPECT_EQ(rows[0].process, "app");
  EXPECT_EQ(rows[0].pid, 42);
  EXPECT_EQ(rows[0].more_processes, 1u);
  EXPECT_EQ(rows[2].process, "kworker");
  EXPECT_EQ(rows[2].more_processes, 0u);
  EXPECT_EQ(rows[3].self, 0);
  EXPECT_EQ(rows[3].total, 179);
  EXPECT_EQ(rows[3].process, "app");
}

TEST(FunctionRows, CanBeOrderedByTotal) {
  const profile::Profile profile = ExampleInterval().profile;
  EXPECT_THAT(Functions(CountRows(profile, TopGrouping::kFunction, TopSort::kTotal)),
              ElementsAre("main", "add", "work", "read", "load", "idle_work"));
  EXPECT_THAT(Functions(CountRows(profile, TopGrouping::kFunction, TopSort::kCpu)),
              ElementsAre("add", "read", "idle_work", "main", "work", "load"));
}

TEST(FunctionRows, CountARecursiveFunctionOncePerStack) {
  const TopInterval interval = IntervalOf({{{"down", "down", "down", "main"}, 7}});
  const auto rows = CountRows(interval.profile, TopGrouping::kFunction, TopSort::kTotal);
  EXPECT_EQ(rows[0].function, "down");
  EXPECT_EQ(rows[0].total, 7);
  EXPECT_EQ(rows[0].self, 7);
}

TEST(ProcessRows, HaveTheirHottestFunction) {
  const auto rows = CountRows(ExampleInterval().profile, TopGrouping::kProcess, TopSort::kSelf);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].process, "app");
  EXPECT_EQ(rows[0].pid, 42);
  EXPECT_EQ(rows[0].self, 150);
  EXPECT_EQ(rows[0].function, "add");
  EXPECT_EQ(rows[1].process, "other");
  EXPECT_EQ(rows[2].function, "idle_work");
  EXPECT_EQ(rows[2].module, "[kernel.kallsyms]");
}

TEST(ThreadRows, TellThreadsOfAProcessApart) {
  const auto rows = CountRows(ExampleInterval().profile, TopGrouping::kThread, TopSort::kSelf);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].tid, 42);
  EXPECT_EQ(rows[0].self, 100);
  EXPECT_EQ(rows[1].tid, 77);
  EXPECT_EQ(rows[1].thread, "worker-77");
  EXPECT_EQ(rows[1].pid, 42);
  EXPECT_EQ(rows[1].function, "read");
}

TEST(Rows, OfNoSamplesAreNone) {
  for (const auto by : {TopGrouping::kFunction, TopGrouping::kProcess, TopGrouping::kThread}) {
    EXPECT_TRUE(CountRows(IntervalOf({}).profile, by, TopSort::kSelf).empty());
  }
}

TEST(Rows, OfStacksWithoutFramesAreTheProcesses) {
  const TopInterval interval = IntervalOf({{{}, 3}});
  EXPECT_TRUE(CountRows(interval.profile, TopGrouping::kFunction, TopSort::kSelf).empty());
  const auto rows = CountRows(interval.profile, TopGrouping::kProcess, TopSort::kSelf);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].self, 3);
  EXPECT_EQ(rows[0].function, "");
}

TEST(RowMatches, AnyTextOrNumberInAnyCase) {
  const TopRow row{.function = "Add", .module = "libc.so.6", .process = "nginx", .pid = 4711, .thread = "worker"};
  for (const char* text : {"", "add", "ADD", "so.6", "inx", "71", "work"}) EXPECT_TRUE(RowMatches(row, text)) << text;
  for (const char* text : {"adds", "4712", "0"}) EXPECT_FALSE(RowMatches(row, text)) << text;
}

TEST(SamplesWith, KeepsWholeStacksThatHoldTheText) {
  const profile::Profile profile = ExampleInterval().profile;
  EXPECT_THAT(profile::TotalsByStack(SamplesWith(profile, "LOAD")), ElementsAre(std::pair("read;load;main", 50)));
  EXPECT_THAT(profile::TotalsByStack(SamplesWith(profile, "worker")),  // kworker and worker-77
              ElementsAre(std::pair("idle_work", 20), std::pair("read;load;main", 50)));
  EXPECT_TRUE(SamplesWith(profile, "nowhere").samples.empty());
  EXPECT_EQ(SamplesWith(profile, "").samples.size(), profile.samples.size());
}

}  // namespace
}  // namespace kiln::agent
