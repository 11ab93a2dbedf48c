// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/frame_words.h"

#include <gtest/gtest.h>

#include <vector>

namespace kiln::agent {
namespace {

using CodeAddresses = std::vector<CodeAddress<ProcessAddress>>;

CodeAddresses ReadAll(const std::vector<uint64_t>& words) {
  CodeAddresses frames;
  FrameReader reader(words);
  while (const auto frame = reader.Next()) frames.push_back(*frame);
  EXPECT_TRUE(reader.rest().empty());
  EXPECT_FALSE(reader.Next());
  return frames;
}

TEST(FrameWords, ReadsLeafReturnAddressAndLongAddress) {
  const auto frames =
      ReadAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 1, 0x7fff12345678),
               KILN_FRAME_WORD(KILN_FRAME_NATIVE, KILN_FRAME_RETURN_ADDRESS, 1, 0x401000),
               KILN_FRAME_WORD(KILN_FRAME_NATIVE, KILN_FRAME_RETURN_ADDRESS, 2, 0), 0x00ff123456789abc});
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].address, ProcessAddress(0x7fff12345678));
  EXPECT_EQ(frames[0].role, AddressRole::kInstruction);
  EXPECT_EQ(frames[1].ForLookup(), ProcessAddress(0x400fff));
  EXPECT_EQ(frames[2].address, ProcessAddress(0x00ff123456789abc));
}

constexpr uint64_t Native(uint64_t address) { return KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 1, address); }
constexpr uint64_t Return(uint64_t address) {
  return KILN_FRAME_WORD(KILN_FRAME_NATIVE, KILN_FRAME_RETURN_ADDRESS, 1, address);
}
constexpr uint64_t One(int64_t difference) {
  return KILN_FRAME_RETURNS | (static_cast<uint64_t>(difference) & ((1ULL << KILN_DIFFERENCE_BITS) - 1));
}
constexpr uint64_t Two(int64_t first, int64_t second) {
  return One(first) | KILN_FRAME_RETURNS_TWO | (One(second) & ~KILN_FRAME_RETURNS) << KILN_DIFFERENCE_BITS;
}

CodeAddress<ProcessAddress> At(uint64_t address) { return {ProcessAddress(address), AddressRole::kInstruction}; }
CodeAddress<ProcessAddress> ReturnTo(uint64_t address) {
  return {ProcessAddress(address), AddressRole::kReturnAddress};
}

TEST(FrameWords, ReadsDifferencesToTheFrameBefore) {
  constexpr int64_t kFarthest = int64_t{1} << (KILN_DIFFERENCE_BITS - 1);
  EXPECT_EQ(ReadAll({Native(0x7f0000001000), Two(0x10, -0x20), One(0), Return(0x401000), One(8)}),
            (CodeAddresses{At(0x7f0000001000), ReturnTo(0x7f0000001010), ReturnTo(0x7f0000000ff0),
                           ReturnTo(0x7f0000000ff0), ReturnTo(0x401000), ReturnTo(0x401008)}));
  EXPECT_EQ(ReadAll({Native(0x7f0000001000), Two(-kFarthest, kFarthest - 1)}),
            (CodeAddresses{At(0x7f0000001000), ReturnTo(0x7eff'c000'1000), ReturnTo(0x7f0000000fff)}));
}

TEST(FrameWords, ReadsFromAndToAddressesAbove48Bits) {
  const uint64_t leaf = KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 2, 0);
  EXPECT_EQ(ReadAll({leaf, 0x00ff123456789abc, One(4), Two(-4, 4)}),
            (CodeAddresses{At(0x00ff123456789abc), ReturnTo(0x00ff123456789ac0), ReturnTo(0x00ff123456789abc),
                           ReturnTo(0x00ff123456789ac0)}));
}

TEST(FrameWords, TellsWhatIsLeft) {
  const std::vector<uint64_t> words{Native(0x401000), Two(1, 2), One(3)};
  FrameReader reader(words);
  (void)reader.Next();
  EXPECT_EQ(reader.rest().size(), 2u);
  (void)reader.Next();
  (void)reader.Next();
  EXPECT_EQ(reader.rest().size(), 1u);
}

TEST(FrameWords, EndsAtWhatItDoesNotKnow) {
  EXPECT_TRUE(ReadAll({}).empty());
  EXPECT_TRUE(ReadAll({0}).empty());
  EXPECT_TRUE(ReadAll({KILN_FRAME_WORD(7, 0, 1, 1)}).empty());
  EXPECT_TRUE(ReadAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 0, 1)}).empty());
  EXPECT_TRUE(ReadAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 2, 0)}).empty());  // second word is missing
  EXPECT_TRUE(ReadAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 3, 0), 1, 2}).empty());
}

}  // namespace
}  // namespace kiln::agent
