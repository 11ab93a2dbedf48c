// SPDX-License-Identifier: Apache-2.0
#include "base/excerpt.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(Excerpt, KeepsPlainTextAndUtf8) {
  EXPECT_EQ(Excerpt("no such tenant: “ä”", 100), "no such tenant: “ä”");
  EXPECT_EQ(Excerpt("", 10), "");
}

TEST(Excerpt, FoldsWhiteSpace) { EXPECT_EQ(Excerpt("\r\n <html>\n\t<body>  x \n", 100), "<html> <body> x"); }

TEST(Excerpt, MakesControlCharactersHarmless) {
  EXPECT_EQ(Excerpt("a\x1b[31mb\x07"
                    "c\x7f",
                    100),
            "a?[31mb?c?");
  EXPECT_EQ(Excerpt("a\xc2\x9b"
                    "b\xe2\x80\xae"
                    "c",
                    100),
            "a?b?c");  // CSI of C1, right-to-left override
}

TEST(Excerpt, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(Excerpt("a\xff\xfe", 100), "a??");
  EXPECT_EQ(Excerpt("\xc0\xaf", 100), "??");       // overlong
  EXPECT_EQ(Excerpt("\xed\xa0\x80", 100), "???");  // surrogate
  EXPECT_EQ(Excerpt("x\xe2\x82", 100), "x??");     // cut
  EXPECT_EQ(Excerpt(std::string(3, '\0'), 100), "???");
}

TEST(Excerpt, CutsBetweenCharacters) {
  EXPECT_EQ(Excerpt("abcdef", 3), "abc…");
  EXPECT_EQ(Excerpt("abcdef", 6), "abcdef");
  EXPECT_EQ(Excerpt("ab€", 4), "ab…");
}

}  // namespace
}  // namespace kiln
