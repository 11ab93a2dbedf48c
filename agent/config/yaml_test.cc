// SPDX-License-Identifier: Apache-2.0
#include "agent/config/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/testing.h"

namespace kiln::agent::config {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> ErrorsOf(const std::string& text) {
  Report report;
  const auto value = ParseYaml(text, report.AddFile("k.yaml"), report);
  EXPECT_EQ(value.has_value(), report.error_count() == 0);
  return Texts(report.errors());
}

TEST(ParseYaml, BearsByteOrderMarksAndLineEnds) {
  const std::string text = "\xEF\xBB\xBFreceivers:\r\n  profiling:\r\n    unwind_cache: a b\r\n";
  const LoadResult result = Load({kBasic, text});
  EXPECT_EQ(RenderErrors(result), "");
  EXPECT_EQ(result.config.receivers.at("profiling").unwind_cache, "a b");
  EXPECT_EQ(result.origins.at("receivers.profiling.unwind_cache"), "k2.yaml:3");
}

TEST(ParseYaml, TakesAliasesAndMergeKeys) {
  const LoadResult result =
      Load({kBasic, "receivers: {profiling: &p {frequency: 5, window: 3s}, profiling/b: {<<: *p, frequency: 6}}"});
  EXPECT_EQ(RenderErrors(result), "");
  EXPECT_EQ(result.config.receivers.at("profiling/b").frequency, 6);
  EXPECT_EQ(result.config.receivers.at("profiling/b").window, absl::Seconds(3));
}

TEST(ParseYaml, StopsBombs) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb +=
        fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i, i - 1);
  }
  EXPECT_THAT(ErrorsOf(bomb), ElementsAre("k.yaml:5:45: more than 100000 values, with aliases"));
  EXPECT_THAT(ErrorsOf("a: &a [*a]"), ElementsAre("k.yaml:1:8: an alias of a value that holds it"));
}

TEST(ParseYaml, StopsDepth) {
  const auto nested = [](int depth) { return "a: " + std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_THAT(ErrorsOf(nested(kMaxDepth - 1)), ElementsAre());
  EXPECT_THAT(ErrorsOf(nested(kMaxDepth)), ElementsAre("k.yaml:1:67: nested deeper than 64 levels"));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "- ";
  EXPECT_EQ(ErrorsOf(deep).size(), 1u);
  EXPECT_EQ(ErrorsOf(std::string(100'000, '[')).size(), 1u);
  EXPECT_EQ(ErrorsOf(std::string(100'000, '{')).size(), 1u);
  // Aliases make depth too.
  std::string chain = "a0: &a0 [x]\n";
  for (int i = 1; i < 100; ++i) chain += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  EXPECT_THAT(ErrorsOf(chain), ElementsAre("k.yaml:64:12: nested deeper than 64 levels"));
}

TEST(ParseYaml, StopsSize) {
  EXPECT_THAT(ErrorsOf(std::string(kMaxConfigBytes + 1, '#')),
              ElementsAre("k.yaml: larger than the 1024 KiB that a configuration may have"));
  EXPECT_THAT(ErrorsOf("a: [" + std::string(200'000, ',') + "]").size(), 1u);
}

TEST(ParseYaml, TakesOnlyUtf8) {
  EXPECT_THAT(ErrorsOf(std::string("a: \0", 4)), ElementsAre("k.yaml: no text in UTF-8"));
  EXPECT_THAT(ErrorsOf("\xFF\xFE a"), ElementsAre("k.yaml: no text in UTF-8"));
}

TEST(ParseYaml, KeepsBlocksAndQuotes) {
  Report report;
  const auto value = ParseYaml("a: |\n  x\n  y\nb: 'it''s'\nc: \"\\\"\"\n", report.AddFile("k"), report);
  ASSERT_TRUE(value);
  EXPECT_EQ(value->Find("a")->value.text, "x\ny\n");
  EXPECT_EQ(value->Find("b")->value.text, "it's");
  EXPECT_EQ(value->Find("c")->value.text, "\"");
}

}  // namespace
}  // namespace kiln::agent::config
