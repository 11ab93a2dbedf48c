// SPDX-License-Identifier: Apache-2.0
#include "viewer/base64.h"

#include <gtest/gtest.h>

namespace kiln::viewer {
namespace {

TEST(Base64Encode, GivesTheVectorsOfRfc4648) {
  EXPECT_EQ(Base64Encode(""), "");
  EXPECT_EQ(Base64Encode("f"), "Zg==");
  EXPECT_EQ(Base64Encode("fo"), "Zm8=");
  EXPECT_EQ(Base64Encode("foo"), "Zm9v");
  EXPECT_EQ(Base64Encode("foobar"), "Zm9vYmFy");
}

TEST(Base64Encode, UsesAllOfTheAlphabet) {
  EXPECT_EQ(Base64Encode("\xff\xef\xbe"), "/+++");
  EXPECT_EQ(Base64Encode(std::string_view("\0\0\0", 3)), "AAAA");
}

}  // namespace
}  // namespace kiln::viewer
