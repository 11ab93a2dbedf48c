// SPDX-License-Identifier: Apache-2.0
#include "agent/process/frame_cache.h"

#include <gtest/gtest.h>

namespace kiln::agent {
namespace {

constexpr FrameCache::Key kKey{ProcessAddress(0x7f1234567890), {3}, 1};

TEST(FrameCache, FindsWhatWasRemembered) {
  FrameCache cache;
  EXPECT_FALSE(cache.Find(kKey));
  cache.Remember(kKey, FrameIndex(0));
  EXPECT_EQ(cache.Find(kKey), FrameIndex(0));
  cache.Remember(kKey, FrameIndex(7));
  EXPECT_EQ(cache.Find(kKey), FrameIndex(7));
}

TEST(FrameCache, TellsImagesGenerationsAndAddressesApart) {
  FrameCache cache;
  cache.Remember(kKey, FrameIndex(7));
  EXPECT_FALSE(cache.Find({kKey.address, {4}, kKey.generation}));
  EXPECT_FALSE(cache.Find({kKey.address, kKey.image, 2}));
  EXPECT_FALSE(cache.Find({ProcessAddress(kKey.address.value() + 1), kKey.image, kKey.generation}));
}

// Many more addresses than there are places: each is forgotten or right, and the last one is there.
TEST(FrameCache, ForgetsButNeverErrs) {
  FrameCache cache;
  uint32_t found = 0;
  constexpr uint32_t kCount = 100'000;
  const auto key_of = [](uint32_t i) { return FrameCache::Key{ProcessAddress(0x401000 + 37 * i), {1}, 0}; };
  for (uint32_t i = 0; i < kCount; ++i) {
    cache.Remember(key_of(i), FrameIndex(i));
    ASSERT_EQ(cache.Find(key_of(i)), FrameIndex(i));
  }
  for (uint32_t i = 0; i < kCount; ++i) {
    const auto frame = cache.Find(key_of(i));
    if (!frame) continue;
    ASSERT_EQ(*frame, FrameIndex(i));
    ++found;
  }
  EXPECT_GT(found, 0u);
  EXPECT_LT(found, kCount);
}

}  // namespace
}  // namespace kiln::agent
