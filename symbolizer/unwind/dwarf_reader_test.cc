// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/dwarf_reader.h"

#include <gtest/gtest.h>

#include "symbolizer/testing/cfi_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::Bytes;
using testing::Le;
using testing::Sleb;
using testing::Uleb;

std::optional<uint64_t> Pointer(const std::string& bytes, uint8_t encoding, const PointerBases& bases = {}) {
  ByteReader reader(AsBytes(bytes));
  uint64_t value = 0;
  if (!ReadPointer(reader, encoding, bases, value)) return std::nullopt;
  return value;
}

TEST(DwarfReader, ReadsLeb128OfAllSizes) {
  for (const uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{1} << 35, ~uint64_t{0}}) {
    const std::string bytes = Uleb(value);
    ByteReader reader(AsBytes(bytes));
    uint64_t out = 1;
    EXPECT_TRUE(ReadUleb128(reader, out));
    EXPECT_EQ(out, value);
    EXPECT_EQ(reader.remaining(), 0u);
  }
  for (const int64_t value :
       {int64_t{0}, int64_t{-1}, int64_t{63}, int64_t{64}, int64_t{-64}, int64_t{-65}, INT64_MIN}) {
    const std::string bytes = Sleb(value);
    ByteReader reader(AsBytes(bytes));
    int64_t out = 1;
    EXPECT_TRUE(ReadSleb128(reader, out));
    EXPECT_EQ(out, value);
  }
}

TEST(DwarfReader, Leb128MayBePaddedButEnds) {
  const std::string padded = Bytes({0x88, 0x80, 0x80, 0x00});
  ByteReader reader(AsBytes(padded));
  uint64_t out = 0;
  EXPECT_TRUE(ReadUleb128(reader, out));
  EXPECT_EQ(out, 8u);
  const std::string endless(100, '\x80');
  ByteReader endless_reader(AsBytes(endless));
  EXPECT_FALSE(ReadUleb128(endless_reader, out));
  const std::string cut = Bytes({0x80});
  ByteReader cut_reader(AsBytes(cut));
  EXPECT_FALSE(ReadUleb128(cut_reader, out));
}

TEST(DwarfReader, ReadsPointersOfEachFormat) {
  EXPECT_EQ(Pointer(Le<uint64_t>(0x123456789a), 0x00), 0x123456789au);
  EXPECT_EQ(Pointer(Uleb(300), 0x01), 300u);
  EXPECT_EQ(Pointer(Le<uint16_t>(0xfffe), 0x02), 0xfffeu);
  EXPECT_EQ(Pointer(Le<uint32_t>(0xfffffffe), 0x03), 0xfffffffeu);
  EXPECT_EQ(Pointer(Le<uint64_t>(5), 0x04), 5u);
  EXPECT_EQ(Pointer(Sleb(-2), 0x09), ~uint64_t{1});
  EXPECT_EQ(Pointer(Le<int16_t>(-2), 0x0a), ~uint64_t{1});
  EXPECT_EQ(Pointer(Le<int32_t>(-2), 0x0b), ~uint64_t{1});
  EXPECT_EQ(Pointer(Le<int64_t>(-2), 0x0c), ~uint64_t{1});
  EXPECT_EQ(Pointer(Le<int64_t>(-2), 0x05), std::nullopt);
}

TEST(DwarfReader, AddsTheBaseThatTheEncodingNames) {
  const PointerBases bases{.pc = 0x1000, .text = 0x2000, .data = 0x3000};
  const std::string bytes = Bytes({0}) + Le<int32_t>(-4);
  ByteReader reader(AsBytes(bytes));
  ASSERT_TRUE(reader.Skip(1));
  uint64_t out = 0;
  EXPECT_TRUE(ReadPointer(reader, 0x1b, bases, out));
  EXPECT_EQ(out, 0x1000u + 1 - 4) << "relative to where the pointer itself is";
  EXPECT_EQ(Pointer(Le<int32_t>(4), 0x2b, bases), 0x2004u);
  EXPECT_EQ(Pointer(Le<int32_t>(4), 0x3b, bases), 0x3004u);
}

TEST(DwarfReader, RefusesWhatCantBeWorkedOut) {
  EXPECT_EQ(Pointer(Le<int32_t>(4), 0x9b), std::nullopt) << "indirect";
  EXPECT_EQ(Pointer(Le<uint64_t>(4), 0x50), std::nullopt) << "aligned";
  EXPECT_EQ(Pointer(Le<int32_t>(4), 0x4b), std::nullopt) << "relative to the function";
  EXPECT_EQ(Pointer(Le<int32_t>(4), 0x3b), std::nullopt) << "no data base";
  EXPECT_EQ(Pointer(Le<int16_t>(4), 0x0b), std::nullopt) << "cut";
}

}  // namespace
}  // namespace kiln::symbolizer
