// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/resource_attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::agent::identity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

Attributes Parse(std::string_view text) {
  const auto attributes = ParseResourceAttributes(text);
  EXPECT_TRUE(attributes.ok()) << text << ": " << attributes.status();
  return attributes.ok() ? *attributes : Attributes{};
}

TEST(ResourceAttributes, ReadsPairs) {
  EXPECT_THAT(Parse("service.name=checkout,service.version=1.4.2"),
              ElementsAre(Attribute{"service.name", "checkout"}, Attribute{"service.version", "1.4.2"}));
  EXPECT_THAT(Parse(" a = b ,\tc=d "), ElementsAre(Attribute{"a", "b"}, Attribute{"c", "d"}));
  EXPECT_THAT(Parse(""), IsEmpty());
  EXPECT_THAT(Parse(" , ,"), IsEmpty());
  EXPECT_THAT(Parse("a=b,"), ElementsAre(Attribute{"a", "b"}));
  EXPECT_THAT(Parse("a=,b=c"), ElementsAre(Attribute{"b", "c"}));
}

TEST(ResourceAttributes, DecodesPercents) {
  EXPECT_THAT(Parse("a%2Cb=c%3Dd%2c%25,e=f%20g"), ElementsAre(Attribute{"a,b", "c=d,%"}, Attribute{"e", "f g"}));
  EXPECT_THAT(Parse("city=M%C3%BCnchen"), ElementsAre(Attribute{"city", "M\xc3\xbcnchen"}));
  EXPECT_THAT(Parse("plus=a+b"), ElementsAre(Attribute{"plus", "a+b"}));
  EXPECT_THAT(Parse("base64=YQ=="), ElementsAre(Attribute{"base64", "YQ=="}));
}

TEST(ResourceAttributes, TakesTheLastOfEqualKeys) {
  EXPECT_THAT(Parse("a=1,b=2,a=3"), ElementsAre(Attribute{"b", "2"}, Attribute{"a", "3"}));
  EXPECT_THAT(Parse("a=1,a="), IsEmpty());
}

TEST(ResourceAttributes, DiscardsAllAtAnyError) {
  for (const char* bad : {"a=b,c", "=b", "a=b,%20x%=1", "a=%", "a=%2", "a=%zz", "a=%ff", "a=b,  =c", "\xff=b"}) {
    const auto attributes = ParseResourceAttributes(bad);
    EXPECT_EQ(attributes.status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_THAT(std::string(Message(ParseResourceAttributes("a=b,c").status())), HasSubstr("member 2"));
  std::string many;
  for (int i = 0; i < 129; ++i) many += "k" + std::to_string(i) + "=v,";
  EXPECT_FALSE(ParseResourceAttributes(many).ok());
}

std::string Zeros(std::string text) {
  for (char& c : text) c = c == '|' ? '\0' : c;
  return text;
}

TEST(Environment, FindsTheVariablesThatWereAskedFor) {
  const std::string text = Zeros("PATH=/bin|OTEL_SERVICE_NAME=a=b|EMPTY=|X|PATHX=1|OTEL_SERVICE_NAME=second|");
  EXPECT_THAT(ParseEnvironment(text, {"OTEL_SERVICE_NAME", "EMPTY", "NONE"}, true),
              ElementsAre(Pair("OTEL_SERVICE_NAME", "a=b"), Pair("EMPTY", "")));
  EXPECT_THAT(ParseEnvironment(text, {}, true), IsEmpty());
  EXPECT_THAT(ParseEnvironment("", {"A"}, true), IsEmpty());
}

TEST(Environment, TakesACutVariableForNone) {
  EXPECT_THAT(ParseEnvironment(Zeros("A=1|B=2"), {"A", "B"}, false), ElementsAre(Pair("A", "1")));
  EXPECT_THAT(ParseEnvironment(Zeros("A=1|B=2"), {"A", "B"}, true), ElementsAre(Pair("A", "1"), Pair("B", "2")));
}

TEST(Environment, BearsWhatAProgramWroteOverIt) {
  EXPECT_THAT(ParseEnvironment(Zeros("nginx: worker process||||"), {"A"}, true), IsEmpty());
  EXPECT_THAT(ParseEnvironment("=x", {"A"}, true), IsEmpty());
}

}  // namespace
}  // namespace kiln::agent::identity
