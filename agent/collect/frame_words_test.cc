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

TEST(FrameWords, EndsAtWhatItDoesNotKnow) {
  EXPECT_TRUE(TakeAll({}).empty());
  EXPECT_TRUE(TakeAll({0}).empty());
  EXPECT_TRUE(TakeAll({KILN_FRAME_WORD(9, 0, 1, 1)}).empty());
  EXPECT_TRUE(TakeAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 0, 1)}).empty());
  EXPECT_TRUE(TakeAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 2, 0)}).empty());  // second word is missing
  EXPECT_TRUE(TakeAll({KILN_FRAME_WORD(KILN_FRAME_NATIVE, 0, 3, 0), 1, 2}).empty());
}

}  // namespace
}  // namespace kiln::agent
