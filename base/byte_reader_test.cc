// SPDX-License-Identifier: Apache-2.0
#include "base/byte_reader.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(ByteReader, ReadsValuesUntilTheEndAndNotBeyond) {
  ByteReader reader(AsBytes(std::string_view("\x01\x02\x03\x04\x05", 5)));
  uint32_t value = 0;
  ASSERT_TRUE(reader.Read(value));
  EXPECT_EQ(value, 0x04030201u);
  EXPECT_FALSE(reader.Read(value));
  EXPECT_EQ(reader.position(), 4u);
  uint8_t last = 0;
  EXPECT_TRUE(reader.Read(last));
  EXPECT_EQ(last, 5);
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, CStringNeedsItsNul) {
  ByteReader reader(AsBytes(std::string_view("ab\0cd", 5)));
  EXPECT_EQ(reader.CString(), "ab");
  EXPECT_EQ(reader.CString(), std::nullopt);
  EXPECT_EQ(reader.remaining(), 2u);
}

TEST(ByteReader, RefusesSizesThatWouldOverflow) {
  ByteReader reader(AsBytes("abc"));
  EXPECT_FALSE(reader.Bytes(SIZE_MAX).has_value());
  EXPECT_FALSE(reader.Skip(4));
  EXPECT_TRUE(reader.Skip(3));
}

}  // namespace
}  // namespace kiln
