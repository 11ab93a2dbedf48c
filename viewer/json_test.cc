// SPDX-License-Identifier: Apache-2.0
#include "viewer/json.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace kiln::viewer {
namespace {

TEST(JsonWriter, SetsCommasBetweenValuesOnly) {
  JsonWriter w;
  w.BeginObject();
  w.Key("a");
  w.BeginArray();
  w.Int(1);
  w.BeginArray();
  w.EndArray();
  w.BeginObject();
  w.EndObject();
  w.Bool(true);
  w.EndArray();
  w.Key("b");
  w.String("x");
  w.EndObject();
  EXPECT_EQ(std::move(w).Finish(), R"({"a":[1,[],{},true],"b":"x"})");
}

TEST(JsonWriter, EscapedTextIsReadBackAsItWas) {
  std::string text = "\"\\/</script>\n\t\b é😀 \x7f";
  text += '\0';
  JsonWriter w;
  w.BeginObject();
  w.Key(text);
  w.String(text);
  w.EndObject();
  const auto read = nlohmann::json::parse(std::move(w).Finish());
  EXPECT_EQ(read.at(text), text);
}

TEST(JsonWriter, WritesTheLimitsOfNumbers) {
  JsonWriter w;
  w.BeginArray();
  w.Int(std::numeric_limits<int64_t>::min());
  w.Double(0.25);
  w.Double(std::numeric_limits<double>::quiet_NaN());
  w.Double(std::numeric_limits<double>::infinity());
  w.EndArray();
  EXPECT_EQ(std::move(w).Finish(), "[-9223372036854775808,0.25,null,null]");
}

}  // namespace
}  // namespace kiln::viewer
