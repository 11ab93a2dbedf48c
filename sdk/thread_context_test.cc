// SPDX-License-Identifier: Apache-2.0
#include "sdk/kiln/thread_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

extern "C" __thread const kiln_context_record* otel_thread_ctx_v1;

namespace kiln {
namespace {

constexpr std::array<uint8_t, 16> kTrace = {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
                                            0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36};
constexpr std::array<uint8_t, 8> kSpan = {0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7};

std::vector<uint8_t> BytesOf(const kiln_context_record& record) {
  std::vector<uint8_t> bytes(sizeof(record));
  std::memcpy(bytes.data(), &record, sizeof(record));
  return bytes;
}

// As the specification tells readers to: the last entry of a key counts, a truncated one ends it.
std::map<int, std::string> AttributesOf(const kiln_context_record& record) {
  const std::vector<uint8_t> bytes = BytesOf(record);
  size_t size = 0;
  std::memcpy(&size, &bytes[26], 2);
  std::map<int, std::string> found;
  for (size_t at = 28; at + 2 <= 28 + size && at + 2 + bytes[at + 1] <= 28 + size; at += 2 + bytes[at + 1]) {
    found[bytes[at]] = std::string(bytes.begin() + at + 2, bytes.begin() + at + 2 + bytes[at + 1]);
  }
  return found;
}

int Set(kiln_context_record& record, int key, std::string_view value) {
  return kiln_context_record_set(&record, key, value.data(), value.size());
}

TEST(ThreadContext, LiesInMemoryAsSpecified) {
  kiln_context_record record;
  std::memset(&record, 0xee, sizeof(record));
  kiln_context_record_init(&record, kTrace.data(), kSpan.data(), 0x03);
  ASSERT_EQ(Set(record, 0, "/cart"), 5);
  ASSERT_EQ(Set(record, 7, ""), 0);
  std::vector<int> expected(kTrace.begin(), kTrace.end());
  for (const int byte : kSpan) expected.push_back(byte);
  // Valid, flags, bytes of attributes, then the two.
  for (const int byte : {1, 3, 9, 0, 0, 5, 0x2f, 0x63, 0x61, 0x72, 0x74, 7, 0}) expected.push_back(byte);
  std::vector<int> begin;
  for (size_t i = 0; i < expected.size(); ++i) begin.push_back(BytesOf(record)[i]);
  EXPECT_EQ(begin, expected);
}

TEST(ThreadContext, HasTraceAndSpanOrNeither) {
  constexpr std::array<uint8_t, 16> kZeros = {};
  kiln_context_record record;
  for (const auto& [trace, span] :
       std::vector<std::pair<const uint8_t*, const uint8_t*>>{{nullptr, nullptr},
                                                              {kTrace.data(), nullptr},
                                                              {nullptr, kSpan.data()},
                                                              {kZeros.data(), kSpan.data()},
                                                              {kTrace.data(), kZeros.data()}}) {
    std::memset(&record, 0xee, sizeof(record));
    kiln_context_record_init(&record, trace, span, 1);
    const std::vector<uint8_t> bytes = BytesOf(record);
    EXPECT_TRUE(std::all_of(bytes.begin(), bytes.begin() + 24, [](uint8_t byte) { return byte == 0; }));
    EXPECT_EQ(bytes[24], 1) << "valid: it may have attributes";
    EXPECT_EQ(bytes[25], 0);
  }
}

TEST(ThreadContext, AttributesAreSetReplacedAndCleared) {
  kiln_context_record record;
  kiln_context_record_init(&record, nullptr, nullptr, 0);
  Set(record, 1, "one");
  Set(record, 2, "two");
  Set(record, 3, "three");
  Set(record, 2, "another two");
  EXPECT_THAT(AttributesOf(record), testing::ElementsAre(testing::Pair(1, "one"), testing::Pair(2, "another two"),
                                                         testing::Pair(3, "three")));
  size_t bytes = 0;
  const char* const value = kiln_context_record_get(&record, 2, &bytes);
  ASSERT_NE(value, nullptr);
  EXPECT_EQ(std::string_view(value, bytes), "another two");
  kiln_context_record_clear(&record, 1);
  kiln_context_record_clear(&record, 9);
  EXPECT_EQ(kiln_context_record_get(&record, 1, &bytes), nullptr);
  EXPECT_THAT(AttributesOf(record), testing::ElementsAre(testing::Pair(2, "another two"), testing::Pair(3, "three")));
  EXPECT_EQ(Set(record, -1, "x"), -1);
  EXPECT_EQ(Set(record, 256, "x"), -1);
  EXPECT_EQ(AttributesOf(record).size(), 2u);
}

TEST(ThreadContext, AFullRecordTakesNoMoreAndStaysAsItWas) {
  kiln_context_record record;
  kiln_context_record_init(&record, nullptr, nullptr, 0);
  EXPECT_EQ(Set(record, 0, std::string(255, 'a')), 255);
  EXPECT_EQ(Set(record, 1, std::string(255, 'b')), 255);
  EXPECT_EQ(Set(record, 2, std::string(97, 'c')), -1);
  EXPECT_EQ(Set(record, 2, std::string(96, 'c')), 96);
  EXPECT_EQ(Set(record, 3, ""), -1) << "two bytes too many";
  EXPECT_EQ(Set(record, 0, std::string(255, 'd')), 255) << "in place of another";
  EXPECT_EQ(Set(record, 2, std::string(97, 'e')), -1);
  EXPECT_THAT(AttributesOf(record),
              testing::ElementsAre(testing::Pair(0, std::string(255, 'd')), testing::Pair(1, std::string(255, 'b')),
                                   testing::Pair(2, std::string(96, 'c'))));
}

TEST(ThreadContext, LongValuesAreCutBetweenCharacters) {
  kiln_context_record record;
  kiln_context_record_init(&record, nullptr, nullptr, 0);
  EXPECT_EQ(Set(record, 0, std::string(300, 'a')), 255);
  EXPECT_EQ(Set(record, 0, std::string(254, 'a') + "ä"), 254);
  EXPECT_EQ(Set(record, 0, std::string(253, 'a') + "ä"), 255);
  EXPECT_EQ(Set(record, 0, std::string(252, 'a') + "😀"), 252);
  EXPECT_EQ(Set(record, 0, std::string(300, '\x80')), 255) << "no UTF-8 at all";
}

TEST(ThreadContext, AttachingSwapsAPointerOfTheThread) {
  kiln_context_record outer, inner;
  kiln_context_record_init(&outer, kTrace.data(), kSpan.data(), 1);
  EXPECT_EQ(kiln_context_current(), nullptr);
  EXPECT_EQ(kiln_context_attach(&outer), nullptr);
  EXPECT_EQ(otel_thread_ctx_v1, &outer) << "what readers look at";
  Set(outer, 4, "four");
  EXPECT_EQ(kiln_context_current(), &outer) << "attributes are set while it is attached";
  Set(outer, 4, "4");
  kiln_context_record_clear(&outer, 4);
  EXPECT_EQ(kiln_context_current(), &outer);
  Set(outer, 5, "five");
  kiln_context_record_init_child(&inner, kiln_context_current(), kTrace.data(), kSpan.data(), 0);
  EXPECT_EQ(AttributesOf(inner), AttributesOf(outer));
  EXPECT_EQ(kiln_context_attach(&inner), &outer);
  std::thread([] { EXPECT_EQ(kiln_context_current(), nullptr) << "of each thread its own"; }).join();
  EXPECT_EQ(kiln_context_attach(&outer), &inner);
  EXPECT_EQ(kiln_context_attach(nullptr), &outer);
  EXPECT_EQ(otel_thread_ctx_v1, nullptr);
}

}  // namespace
}  // namespace kiln
