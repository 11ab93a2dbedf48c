// SPDX-License-Identifier: Apache-2.0
// Many names in one string, known by 32-bit offsets.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace kiln::symbolizer {

// Names one after the other, each ended by a NUL. Offset 0 is the empty name and stands for "none".
class NamePool {
 public:
  NamePool() : bytes_(1, '\0') {}
  // Returns the offset. Empty names, names with a NUL, and names beyond 4 GiB in all get offset 0.
  uint32_t Add(std::string_view name);
  // The name, or its first `limit` bytes: whoever compares names many times bounds what a hostile one can cost. Valid
  // until the next Add.
  std::string_view At(uint32_t offset, size_t limit = SIZE_MAX) const {
    const size_t length = std::min(limit, bytes_.size() - offset);
    return {bytes_.data() + offset, ::strnlen(bytes_.data() + offset, length)};
  }
  void ShrinkToFit() { bytes_.shrink_to_fit(); }
  // All names as they lie in memory, from offset 0 on.
  std::string_view bytes() const { return bytes_; }
  size_t memory_bytes() const { return bytes_.capacity(); }

 private:
  std::string bytes_;
};

// Fills a pool with names of one source in the ascending order of their offsets there. Names that are tails of others,
// as linkers make them, stay shared: the pool grows by no more than the bytes that the source really has.
class NameCopier {
 public:
  explicit NameCopier(NamePool& pool) : pool_(pool) {}

  // Where the name at `offset` of the source is in the pool, if the name that was added last contains it.
  std::optional<uint32_t> Shared(uint64_t offset) const {
    if (last_at_ == 0 || offset < last_start_ || offset >= last_end_) return std::nullopt;
    return last_at_ + static_cast<uint32_t>(offset - last_start_);
  }
  // Returns the offset in the pool, 0 if it was not taken.
  uint32_t Add(uint64_t offset, std::string_view name);

 private:
  NamePool& pool_;
  uint64_t last_start_ = 0;  // of the name that was added last, in the source …
  uint64_t last_end_ = 0;    // … up to its NUL
  uint32_t last_at_ = 0;     // … and in the pool; 0 = none yet
};

}  // namespace kiln::symbolizer
