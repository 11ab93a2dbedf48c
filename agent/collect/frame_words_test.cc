// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/frame_words.h"

#include <gtest/gtest.h>

#include <vector>

namespace kiln::agent {
namespace {

std::vector<CodeAddress<ProcessAddress>> TakeAll(std::vector<uint64_t> words) {
  std::vector<CodeAddress<ProcessAddress>> frames;
  std::span<const uint64_t> rest(words);
  while (const auto frame = TakeFrame(rest)) frames.push_back(*frame);
  EXPECT_TRUE(rest.empty());
  return frames;
}

TEST(FrameWords, ReadsLeafReturnAddressAndLongAddress) {
  const auto frames =
      TakeAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 1, 0x7fff12345678),
               KILN_FRAME_WORD(KILN_FRAME_NATIVE, KILN_FRAME_RETURN_ADDRESS, 1, 0x401000),
               KILN_FRAME_WORD(KILN_FRAME_NATIVE, KILN_FRAME_RETURN_ADDRESS, 2, 0), 0x00ff123456789abc});
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].address, ProcessAddress(0x7fff12345678));
  EXPECT_EQ(frames[0].role, AddressRole::kInstruction);
  EXPECT_EQ(frames[1].ForLookup(), ProcessAddress(0x400fff));
  EXPECT_EQ(frames[2].address, ProcessAddress(0x00ff123456789abc));
}

std::vector<uint64_t> Unpack(const std::vector<uint64_t>& words) {
  std::vector<uint64_t> unpacked;
  UnpackFrames(words, unpacked);
  return unpacked;
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

TEST(FrameWords, UnpacksDifferencesToTheFrameBefore) {
  constexpr int64_t kFarthest = int64_t{1} << (KILN_DIFFERENCE_BITS - 1);
  EXPECT_EQ(Unpack({Native(0x7f0000001000), Two(0x10, -0x20), One(0), Return(0x401000), One(8)}),
            (std::vector<uint64_t>{Native(0x7f0000001000), Return(0x7f0000001010), Return(0x7f0000000ff0),
                                   Return(0x7f0000000ff0), Return(0x401000), Return(0x401008)}));
  EXPECT_EQ(Unpack({Native(0x7f0000001000), Two(-kFarthest, kFarthest - 1)}),
            (std::vector<uint64_t>{Native(0x7f0000001000), Return(0x7eff'c000'1000), Return(0x7f0000000fff)}));
}

TEST(FrameWords, UnpacksFromAndToAddressesAbove48Bits) {
  const uint64_t leaf = KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 2, 0);
  const uint64_t caller = KILN_FRAME_WORD(KILN_FRAME_NATIVE, KILN_FRAME_RETURN_ADDRESS, 2, 0);
  EXPECT_EQ(Unpack({leaf, 0x00ff123456789abc, One(4)}),
            (std::vector<uint64_t>{leaf, 0x00ff123456789abc, caller, 0x00ff123456789ac0}));
}

TEST(FrameWords, UnpacksWhatIsNoFrameToItself) {
  EXPECT_TRUE(Unpack({}).empty());
  for (const std::vector<uint64_t>& words : {std::vector<uint64_t>{0},
                                             {KILN_FRAME_WORD(7, 0, 3, 0), 1},
                                             {KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 0, 1)},
                                             {KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 2, 0)}}) {
    EXPECT_EQ(Unpack(words), words);
  }
}

TEST(FrameWords, EndsAtWhatItDoesNotKnow) {
  EXPECT_TRUE(TakeAll({}).empty());
  EXPECT_TRUE(TakeAll({0}).empty());
  EXPECT_TRUE(TakeAll({KILN_FRAME_WORD(7, 0, 1, 1)}).empty());
  EXPECT_TRUE(TakeAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 0, 1)}).empty());
  EXPECT_TRUE(TakeAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 2, 0)}).empty());  // second word is missing
  EXPECT_TRUE(TakeAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 3, 0), 1, 2}).empty());
}

}  // namespace
}  // namespace kiln::agent
