// SPDX-License-Identifier: Apache-2.0
#include "exporters/pyroscope_labels.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "profile/builder.h"
#include "profile/utf8.h"

namespace kiln::exporters {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

SeriesLabels Made(const std::vector<std::pair<std::string, std::string>>& resource,
                  const PyroscopeSettings& settings = {}, size_t max_labels = kMaxLabels,
                  std::string_view service = "") {
  profile::ProfileBuilder b;
  std::vector<profile::AttributeIndex> attributes;
  for (const auto& [key, value] : resource) attributes.push_back(b.AddAttribute(key, value));
  attributes.push_back(b.AddAttribute("process.pid", 42));
  const auto set = b.AddAttributeSet(attributes);
  return MakeSeriesLabels(b.profile(), set, "process_cpu", service, settings, max_labels);
}

TEST(PyroscopeLabels, MakesAllAttributesLabels) {
  EXPECT_THAT(Made({{"service.name", "shop"}, {"k8s.pod.name", "shop-1"}, {"0odd-key.é", "x"}}).labels,
              ElementsAre(Pair("_0odd_key___", "x"), Pair("__name__", "process_cpu"), Pair("k8s_pod_name", "shop-1"),
                          Pair("process_pid", "42"), Pair("service_name", "shop")));
}

TEST(PyroscopeLabels, NamesServicesThatHaveNoName) {
  EXPECT_THAT(Made({}).labels, Contains(Pair("service_name", "unknown_service")));
  EXPECT_THAT(Made({{"process.executable.name", "nginx"}}).labels,
              Contains(Pair("service_name", "unknown_service:nginx")));
  EXPECT_THAT(Made({{"service.name", ""}}).labels, Contains(Pair("service_name", "unknown_service")));
  EXPECT_THAT(Made({{"service.name", "a"}}, {}, kMaxLabels, "b").labels, Contains(Pair("service_name", "b")));
}

TEST(PyroscopeLabels, TakesOnlyTheAttributesThatTheSettingsName) {
  const SeriesLabels made = Made({{"service.name", "shop"}, {"a", "1"}, {"b.c", "2"}},
                                 {.external_labels = {{"env", "prod"}}, .labels = {"b.c"}});
  EXPECT_THAT(made.labels, ElementsAre(Pair("__name__", "process_cpu"), Pair("b_c", "2"), Pair("env", "prod"),
                                       Pair("service_name", "shop")));
  EXPECT_EQ(made.cut, 0);
}

TEST(PyroscopeLabels, CutsWhatIsNotEssentialFirstAndCountsIt) {
  std::vector<std::pair<std::string, std::string>> resource = {
      {"k8s.namespace.name", "n"}, {"service.name", "s"}, {"host.name", "h"}};
  for (int i = 0; i < 40; ++i) resource.emplace_back(fmt::format("a{:02}", i), "x");
  const SeriesLabels made = Made(resource, {.external_labels = {{"zone", "z"}}});
  EXPECT_EQ(made.labels.size(), kMaxLabels);
  EXPECT_EQ(made.cut, 40 - (30 - 7 + 1));
  for (const char* name : {"__name__", "service_name", "zone", "k8s_namespace_name", "host_name", "process_pid"}) {
    EXPECT_THAT(made.labels, Contains(Key(name)));
  }
  EXPECT_THAT(made.labels, Contains(Key("a00")));
  EXPECT_THAT(made.labels, Not(Contains(Key("a39"))));
}

TEST(PyroscopeLabels, NamesAreUniqueAndReservedOnesAreNotTaken) {
  const SeriesLabels made = Made({{"__name__", "evil"}, {"a.b", "1"}, {"a_b", "2"}, {"service_name", "evil"}});
  EXPECT_THAT(made.labels, Contains(Pair("__name__", "process_cpu")));
  EXPECT_THAT(made.labels, Contains(Pair("a_b", "1")));
  EXPECT_THAT(made.labels, Contains(Pair("service_name", "unknown_service")));
  EXPECT_EQ(made.cut, 3);
}

TEST(PyroscopeLabels, CutsLongNamesAndValuesAtCharacters) {
  std::string value(kMaxLabelValue - 1, 'x');
  value += "é and more";
  const SeriesLabels made = Made({{std::string(2000, 'k'), value}});
  ASSERT_THAT(made.labels, Contains(Pair(std::string(kMaxLabelName, 'k'), std::string(kMaxLabelValue - 1, 'x'))));
  EXPECT_EQ(ValidLabelName("7" + std::string(2000, 'k')).size(), kMaxLabelName);
  EXPECT_TRUE(profile::IsValidUtf8(ValidLabelValue(value)));
}

}  // namespace
}  // namespace kiln::exporters
