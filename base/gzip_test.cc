// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(Gzip, RoundTripsEmptySmallAndLarge) {
  for (const std::string& text : {std::string(), std::string("a"), std::string(300000, 'x')}) {
    const std::string packed = GzipCompress(text);
    EXPECT_TRUE(IsGzip(packed));
    auto unpacked = GzipDecompress(packed, text.size());
    ASSERT_TRUE(unpacked.ok());
    EXPECT_EQ(*unpacked, text);
  }
}

TEST(Gzip, ReadsSeveralMembers) { EXPECT_EQ(*GzipDecompress(GzipCompress("ab") + GzipCompress("cd"), 4), "abcd"); }

TEST(Gzip, StopsABombAtTheLimit) {
  const std::string bomb = GzipCompress(std::string(10 << 20, '\0'));
  EXPECT_EQ(GzipDecompress(bomb, 1 << 20).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(Gzip, RefusesCutAndDamagedData) {
  const std::string packed = GzipCompress("some text that is long enough");
  EXPECT_FALSE(GzipDecompress(packed.substr(0, packed.size() - 5), 1000).ok());
  EXPECT_FALSE(GzipDecompress("", 1000).ok());
  EXPECT_FALSE(GzipDecompress("no gzip", 1000).ok());
}

}  // namespace
}  // namespace kiln
