// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/relabel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace kiln::agent::identity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Attributes kShop = {{"service.name", "shop-checkout-v2"}, {"process.pid", int64_t{42}}};

// The attributes afterwards; nullopt if the process is left out.
std::optional<Attributes> Apply(const std::vector<RelabelRule>& rules, Attributes attributes = kShop) {
  const auto relabeler = Relabeler::Compile(rules);
  EXPECT_TRUE(relabeler.ok()) << relabeler.status();
  if (!relabeler.ok() || !relabeler->Apply(attributes)) return std::nullopt;
  return attributes;
}

RelabelRule Keep(const std::string& source, const std::string& regex) {
  return {.action = RelabelAction::kKeep, .source = source, .regex = regex};
}
RelabelRule Drop(const std::string& source, const std::string& regex) {
  return {.action = RelabelAction::kDrop, .source = source, .regex = regex};
}
RelabelRule Set(const std::string& source, const std::string& regex, const std::string& target,
                const std::string& value) {
  return {.action = RelabelAction::kSet, .source = source, .regex = regex, .target = target, .value = value};
}
RelabelRule Remove(const std::string& target, const std::string& source = "", const std::string& regex = ".*") {
  return {.action = RelabelAction::kRemove, .source = source, .regex = regex, .target = target};
}

TEST(Relabel, KeepsAndDropsByTheWholeValue) {
  EXPECT_TRUE(Apply({Keep("service.name", "shop-.*")}));
  EXPECT_FALSE(Apply({Keep("service.name", "shop")}));  // anchored
  EXPECT_FALSE(Apply({Keep("service.name", "a|b")}));
  EXPECT_TRUE(Apply({Drop("service.name", "shop")}));
  EXPECT_FALSE(Apply({Drop("service.name", ".*-v2")}));
  EXPECT_FALSE(Apply({Drop("process.pid", "4[0-9]")}));
  EXPECT_FALSE(Apply({Keep("service.name", "shop.*"), Drop("process.pid", "42")}));
}

TEST(Relabel, TakesAMissingAttributeForEmpty) {
  EXPECT_FALSE(Apply({Keep("k8s.pod.uid", ".+")}));
  EXPECT_TRUE(Apply({Keep("k8s.pod.uid", "")}));
  EXPECT_FALSE(Apply({Drop("k8s.pod.uid", "")}));
}

TEST(Relabel, SetsByGroups) {
  EXPECT_THAT(Apply({Set("service.name", "(\\w+)-(?P<part>\\w+)-v(\\d)", "t", "$1/${part}/\\3/${2}x$$\\\\")}),
              ::testing::Optional(ElementsAre(kShop[0], kShop[1], Attribute{"t", "shop/checkout/2/checkoutx$\\"})));
  EXPECT_THAT(Apply({Set("service.name", "(\\w+)-.*", "service.name", "$1")}),
              ::testing::Optional(ElementsAre(Attribute{"service.name", "shop"}, kShop[1])));
  EXPECT_THAT(Apply({Set("service.name", "nothing(.*)", "t", "$1")}), kShop);
  EXPECT_THAT(Apply({Set("", ".*", "cluster", "prod")}),
              ::testing::Optional(ElementsAre(kShop[0], kShop[1], Attribute{"cluster", "prod"})));
  EXPECT_THAT(Apply({Set("process.pid", "(.*)", "process.pid", "p$1")}),
              ::testing::Optional(ElementsAre(kShop[0], Attribute{"process.pid", "p42"})));
  // A text at the end that only looks like a reference.
  EXPECT_THAT(Apply({Set("", ".*", "t", "5$")})->back(), (Attribute{"t", "5$"}));
  EXPECT_THAT(Apply({Set("", ".*", "t", "a$-\\d")})->back(), (Attribute{"t", "a$-\\d"}));
}

TEST(Relabel, RemovesByNameAndByAnEmptyValue) {
  EXPECT_THAT(Apply({Remove("process.pid")}), ::testing::Optional(ElementsAre(kShop[0])));
  EXPECT_THAT(Apply({Remove("process.pid", "service.name", "other")}), kShop);
  EXPECT_THAT(Apply({Remove("none")}), kShop);
  EXPECT_THAT(Apply({Set("service.name", "shop(x)?.*", "process.pid", "$1")}),
              ::testing::Optional(ElementsAre(kShop[0])));
}

TEST(Relabel, AppliesEachRuleToWhatTheLastOneMade) {
  EXPECT_FALSE(Apply({Set("service.name", ".*-v(.*)", "version", "$1"), Drop("version", "2")}));
  EXPECT_TRUE(Apply({Drop("version", "2"), Set("service.name", ".*-v(.*)", "version", "$1")}));
}

TEST(Relabel, NamesEachWrongRule) {
  const auto relabeler =
      Relabeler::Compile({Keep("a", "("), Keep("a", ".*"), Set("a", "(x)", "t", "$2"), Set("a", ".*", "", "x"),
                          Keep("", "x"), Set("", ".*", "service_name", "x"), Remove(""), Set("a", "a)(b", "t", "x"),
                          Set("a", "(x)", "t", "${1"), Set("a", "(x)", "t", "${name}"), Set("a", "x", "t", "$name")});
  ASSERT_EQ(relabeler.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(Message(relabeler.status()));
  for (const char* part :
       {"relabel rule 1 (keep): regex: \"(\" is not a regular expression", "relabel rule 3 (set): value \"$2\"",
        "relabel rule 4 (set): needs a target", "relabel rule 5 (keep): needs a source",
        "relabel rule 6 (set): cannot set service_name", "relabel rule 7 (remove): needs a target",
        "relabel rule 8 (set): regex", "relabel rule 9 (set): value", "relabel rule 10 (set): value",
        "relabel rule 11 (set): value"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
  EXPECT_THAT(message, ::testing::Not(HasSubstr("rule 2 ")));
  EXPECT_FALSE(Relabeler::Check({.action = RelabelAction::kDrop, .source = "a", .target = "b"}).ok());
  EXPECT_FALSE(Relabeler::Check({.action = RelabelAction::kDrop, .source = "a", .value = "b"}).ok());
  EXPECT_TRUE(Relabeler::Check(Keep("a", "b")).ok());
  EXPECT_FALSE(Relabeler::Compile(std::vector<RelabelRule>(257, Keep("a", "b"))).ok());
}

TEST(Relabel, BoundsAndCleansWhatItSets) {
  const auto attributes = Apply({Set("big", "(.*)", "t", "$1$1$1$1")}, {{"big", std::string(60'000, 'x')}});
  ASSERT_TRUE(attributes);
  EXPECT_LE(TextOf(attributes->back()).size(), size_t{64} << 10);
  // RE2 takes bytes that are no UTF-8 for U+FFFD, and half a character may not leave.
  EXPECT_EQ(TextOf(Apply({Set("a", "(.)(?s:.*)", "t", "$1")}, {{"a", "\xc3\xa9x"}})->back()), "\xc3\xa9");
}

}  // namespace
}  // namespace kiln::agent::identity
