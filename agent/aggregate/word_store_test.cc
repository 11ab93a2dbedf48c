// SPDX-License-Identifier: Apache-2.0
#include "agent/aggregate/word_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;

TEST(WordStore, KeepsBothPartsBehindEachOther) {
  WordStore store;
  const std::vector<uint64_t> first{1, 2}, second{3};
  const uint64_t* const words = store.Add(first, second);
  EXPECT_THAT(std::span(words, 3), ElementsAre(1, 2, 3));
  (void)store.Add({}, {});
  const uint64_t* const more = store.Add({}, second);
  EXPECT_THAT(std::span(more, 1), ElementsAre(3));
  EXPECT_THAT(std::span(words, 3), ElementsAre(1, 2, 3));
}

TEST(WordStore, KeepsWhatIsLongerThanABlockAndAllInPlace) {
  WordStore store;
  std::vector<std::pair<const uint64_t*, std::vector<uint64_t>>> added;
  for (size_t length : {1u, 5000u, 5000u, 100'000u, 3u, 8192u, 8193u}) {
    std::vector<uint64_t> words(length);
    std::iota(words.begin(), words.end(), added.size() * 1'000'000);
    const std::span<const uint64_t> all(words);
    const uint64_t* const kept = store.Add(all.first(length / 2), all.subspan(length / 2));
    added.emplace_back(kept, std::move(words));
  }
  for (const auto& [kept, words] : added) {
    EXPECT_TRUE(std::equal(words.begin(), words.end(), kept));
  }
}

}  // namespace
}  // namespace kiln::agent
