// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/values.h"

#include <gtest/gtest.h>

namespace kiln::agent {
namespace {

TEST(ParseDuration, TakesSecondsAndGoSyntax) {
  EXPECT_EQ(*ParseDuration("-d", "10"), absl::Seconds(10));
  EXPECT_EQ(*ParseDuration("-d", "0.5"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseDuration("-d", "10s"), absl::Seconds(10));
  EXPECT_EQ(*ParseDuration("-d", "500ms"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseDuration("-d", "1h30m"), absl::Minutes(90));
}

TEST(ParseDuration, NamesWhatItRefuses) {
  for (const char* bad : {"", "x", "10x", "-1s", "+1s", "inf", "s", "0", "0ms", "20000h", "1e3", "1 s", "1.2.3", "."}) {
    const auto duration = ParseDuration("--duration", bad);
    ASSERT_FALSE(duration.ok()) << bad;
    EXPECT_EQ(duration.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_NE(Message(duration.status()).find(fmt::format("--duration is '{}'", bad)), std::string_view::npos) << bad;
  }
}

TEST(ParseWholeNumber, HoldsTheLimits) {
  EXPECT_EQ(*ParseWholeNumber("-F", "1", 1, 10'000), 1);
  EXPECT_EQ(*ParseWholeNumber("-F", "10000", 1, 10'000), 10'000);
  for (const char* bad : {"0", "10001", "", "many", "9x", "9.5", " 9", "99999999999999999999", "-1"}) {
    const auto number = ParseWholeNumber("--frequency", bad, 1, 10'000);
    ASSERT_FALSE(number.ok()) << bad;
    EXPECT_EQ(Message(number.status()), fmt::format("--frequency is '{}': give a whole number from 1 to 10000", bad));
  }
}

TEST(ParseNumber, TakesDecimalsOnly) {
  EXPECT_EQ(*ParseNumber("--min-percent", "2.5", 0, 100), 2.5);
  EXPECT_EQ(*ParseNumber("--min-percent", "0", 0, 100), 0);
  for (const char* bad : {"", ".", "nan", "inf", "1e2", "101", "-1", "0x1"}) {
    EXPECT_FALSE(ParseNumber("--min-percent", bad, 0, 100).ok()) << bad;
  }
}

TEST(ClosestWord, FindsSlipsOnly) {
  EXPECT_EQ(ClosestWord("rekord", {"record", "report", "view"}), "record");
  EXPECT_EQ(ClosestWord("reprot", {"record", "report", "view"}), "report");
  EXPECT_EQ(ClosestWord("banana", {"record", "report", "view"}), "");
  EXPECT_EQ(ClosestWord("", {"ab"}), "");
  EXPECT_EQ(ClosestWord(std::string(100'000, 'x'), {"record"}), "");
}

}  // namespace
}  // namespace kiln::agent
