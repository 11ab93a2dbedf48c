// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace kiln::agent {

// Keeps words in place, in blocks: growing copies nothing, and touches no page twice. Thread-compatible.
class WordStore {
 public:
  // Copies of both, one behind the other; they stay as long as this object.
  const uint64_t* Add(std::span<const uint64_t> first, std::span<const uint64_t> second) {
    const size_t count = first.size() + second.size();
    if (free_.size() < count) {
      const size_t words = std::max(count, kBlockWords);
      blocks_.emplace_back(new uint64_t[words]);
      free_ = {blocks_.back().get(), words};
    }
    uint64_t* const added = free_.data();
    std::ranges::copy(second, std::ranges::copy(first, added).out);
    free_ = free_.subspan(count);
    return added;
  }

 private:
  static constexpr size_t kBlockWords = 8192;

  std::vector<std::unique_ptr<uint64_t[]>> blocks_;
  std::span<uint64_t> free_;  // rest of the last block
};

}  // namespace kiln::agent
