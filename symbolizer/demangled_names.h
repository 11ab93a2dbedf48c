// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace kiln::symbolizer {

// Names that were demangled before: with inlined functions a lookup has several, and demangling them takes thirty times
// as long as finding them. Known by where they lie, so they must stay there, unchanged, as those of an index or a
// symbol table do. Thread-compatible.
class DemangledNames {
 public:
  static constexpr size_t kMaxBytes = size_t{32} << 20;

  explicit DemangledNames(size_t max_bytes = kMaxBytes) : max_bytes_(max_bytes) {}

  // Valid until the next Trim(). A part of `mangled` if there is nothing to demangle.
  std::string_view Get(std::string_view mangled) {
    const auto known = names_.find(mangled.data());
    return known != names_.end() ? known->second : Add(mangled);
  }

  // Forgets all if they take more than `max_bytes`.
  void Trim();

  size_t bytes() const { return chunk_bytes_ + names_.capacity() * kEntryBytes; }

 private:
  static constexpr size_t kChunkBytes = size_t{256} << 10;
  static constexpr size_t kEntryBytes = sizeof(const char*) + sizeof(std::string_view) + 1;

  std::string_view Add(std::string_view mangled);
  std::string_view Keep(std::string_view text);

  size_t max_bytes_;
  absl::flat_hash_map<const char*, std::string_view> names_;
  // Texts, one behind the other: there may be a million.
  std::vector<std::unique_ptr<char[]>> chunks_;
  size_t chunk_bytes_ = 0;
  std::span<char> free_;  // of the last chunk
};

}  // namespace kiln::symbolizer
