// SPDX-License-Identifier: Apache-2.0
#include "agent/config/expand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/testing.h"

namespace kiln::agent::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What a text key becomes.
std::string AsText(const std::string& value, const Environment& environment = {},
                   std::map<std::string, std::string> files = {}) {
  const LoadResult result =
      Load({kBasic, "receivers: {profiling: {unwind_cache: '" + value + "'}}"}, environment, files);
  EXPECT_EQ(Texts(result.errors), std::vector<std::string>()) << value;
  return result.config.receivers.at("profiling").unwind_cache;
}

TEST(Expand, ReplacesVariablesInTexts) {
  const Environment environment = {{"A", "x"}, {"NAME", "A"}, {"EMPTY", ""}, {"MONEY", "a$$b${A}"}};
  const std::pair<const char*, const char*> cases[] = {
      {"${env:A}", "x"},
      {"${A}", "x"},
      {"1${A}2${env:A}3", "1x2x3"},
      {"$A", "$A"},
      {"$$", "$"},
      {"$${A}", "${A}"},
      {"$$${A}", "$x"},
      {"a$", "a$"},
      {"${env:B:-y}", "y"},
      {"${B:-y}", "y"},
      {"${env:EMPTY:-y}", "y"},
      {"${env:A:-y}", "x"},
      {"${env:B:-}", ""},
      {"${env:B:-a:-b}", "a:-b"},
      {"${env:B:-${env:A}}", "x"},
      {"${env:B:-${env:C:-z}}/", "z/"},
      {"${env:${NAME}}", "x"},
      {"${MONEY}", "a$$b${A}"},  // what a variable holds is taken as it is
      {"<${MONEY}>", "<a$$b${A}>"},
      {"${yaml:${A}y}", "xy"},
      {"${file:/f}", "content of f"},
      {"${file:/${A}}", "x x"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(AsText(text, environment, {{"/f", "content of f\n"}, {"/x", "x ${A}"}}), expected) << text;
  }
}

TEST(Expand, KeepsTheTextWhereATextIsWanted) {
  for (const char* text : {"0123", "true", "1.10", "null", "~", "a: b", "[a]", "{a: b}", "\"quoted\"", "%x", "@y", "*z",
                           "[unclosed", " spaced "}) {
    EXPECT_EQ(AsText("${V}", {{"V", text}}), text);
  }
}

TEST(Expand, TypesWholeValues) {
  const LoadResult result =
      Load({kBasic,
            "receivers: {profiling: {frequency: \"${HZ}\", kernel_stacks: \"${NO}\", window: \"${W:-20s}\",\n"
            "  filters: \"${FILTERS}\", kinds: \"${yaml:[cpu]}\"}}"},
           {{"HZ", "49"}, {"NO", "false"}, {"FILTERS", "{pids: [7]}"}});
  EXPECT_EQ(RenderErrors(result), "");
  const ProfilingReceiver& receiver = result.config.receivers.at("profiling");
  EXPECT_EQ(receiver.frequency, 49);
  EXPECT_FALSE(receiver.kernel_stacks);
  EXPECT_EQ(receiver.window, absl::Seconds(20));
  EXPECT_THAT(receiver.filters.pids, ElementsAre(Pid{7}));
  EXPECT_EQ(result.origins.at("receivers.profiling.filters.pids"), "k2.yaml:2");
}

TEST(Expand, CountsWhatIsUnsetAsEmptyAndSaysSo) {
  const LoadResult result =
      Load({kBasic, "receivers: {profiling: {frequency: \"${HZ}\", unwind_cache: \"/x${DIR}\"}}"});
  EXPECT_TRUE(result.ok());
  EXPECT_THAT(
      Texts(result.warnings),
      ElementsAre(
          "k2.yaml:1:36: receivers.profiling.frequency: the environment variable HZ is not set; it counts as empty",
          "k2.yaml:1:59: receivers.profiling.unwind_cache: the environment variable DIR is not set; it counts as "
          "empty"));
  EXPECT_EQ(result.config.receivers.at("profiling").frequency, 19);
  EXPECT_EQ(result.config.receivers.at("profiling").unwind_cache, "/x");
}

TEST(Expand, LooksOnlyAtWhatHolds) {
  const LoadResult result = Load(
      {kBasic, "receivers: {profiling: {unwind_cache: \"${UNSET}\"}}", "receivers: {profiling: {unwind_cache: none}}"});
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST(Expand, EndsWhatHasNoEnd) {
  const std::map<std::string, std::string> files = {{"/loop", "${file:/loop}"}, {"/two", "${file:/two} ${file:/two}"}};
  for (const char* text : {"${file:/loop}", "a${file:/loop}", "${file:/two}", "a${file:/two}"}) {
    const LoadResult result =
        Load({kBasic, std::string("receivers: {profiling: {unwind_cache: \"") + text + "\"}}"}, {}, files);
    EXPECT_THAT(
        Texts(result.errors),
        ElementsAre("k2.yaml:1:39: receivers.profiling.unwind_cache: ${…} without end: more than 10000 of them, 16 in "
                    "each other, or 1024 KiB"))
        << text;
  }
}

TEST(Expand, DoesNotGrowWithoutLimit) {
  std::string text = "receivers: {profiling: {resource: {environment_variables: [";
  for (int i = 0; i < 50; ++i) text += "\"${BIG}\", ";
  const LoadResult result = Load({kBasic, text + "]}}}"}, {{"BIG", std::string(100'000, 'x')}});
  ASSERT_EQ(result.errors.size(), 41u);  // one of the limit, the others of names that were left empty
}

}  // namespace
}  // namespace kiln::agent::config
