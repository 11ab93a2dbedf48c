// SPDX-License-Identifier: Apache-2.0
#include "base/json_string.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(JsonString, EscapesWhatJsonForbidsAndNothingElse) {
  EXPECT_EQ(JsonString(""), R"("")");
  EXPECT_EQ(JsonString(R"(a"b\c/)"), R"("a\"b\\c/")");
  EXPECT_EQ(JsonString(std::string_view("\0\n\x1f", 3)), R"("\u0000\u000a\u001f")");
  EXPECT_EQ(JsonString("\x7f é😀 \xff"), "\"\x7f é😀 \xff\"");
}

TEST(JsonString, AppendsToWhatIsThere) {
  std::string out = "x";
  AppendJsonString("y", out);
  EXPECT_EQ(out, "x\"y\"");
}

}  // namespace
}  // namespace kiln
