// SPDX-License-Identifier: Apache-2.0
#include "profile/utf8.h"

#include <gtest/gtest.h>

namespace kiln::profile {
namespace {

TEST(Utf8, KnowsWellFormedText) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("aé€😀"));
  for (const char* bad : {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << testing::PrintToString(bad);
    EXPECT_TRUE(IsValidUtf8(ToValidUtf8(bad)));
  }
}

TEST(Utf8, FindsABadByteAnywhereInALongText) {
  const std::string good = "0123456789abcdefghijklmnop";
  EXPECT_TRUE(IsValidUtf8(good));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string text = good;
    text[i] = '\xff';
    EXPECT_FALSE(IsValidUtf8(text)) << i;
    EXPECT_TRUE(IsValidUtf8(good.substr(0, i) + "é" + good.substr(i))) << i;
    EXPECT_FALSE(IsValidUtf8(good.substr(0, i) + "\xc3")) << i;
  }
}

TEST(Utf8, ReplacesOnlyTheBadBytes) { EXPECT_EQ(ToValidUtf8("é\xffz"), "é\xef\xbf\xbdz"); }

}  // namespace
}  // namespace kiln::profile
