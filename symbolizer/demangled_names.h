// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/node_hash_map.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "symbolizer/demangle.h"

namespace kiln::symbolizer {

// Names that were demangled before: with inlined functions a lookup has several, and demangling them takes thirty times
// as long as finding them. Known by where they lie, so they must stay there, unchanged, as those of an index or a
// symbol table do. Thread-compatible.
class DemangledNames {
 public:
  static constexpr size_t kMaxBytes = size_t{32} << 20;

  // Valid until the next Trim().
  std::string_view Get(std::string_view mangled) {
    const auto [entry, added] = names_.try_emplace(mangled.data());
    if (added) {
      entry->second = Demangle(mangled);
      bytes_ += entry->second.capacity() + kEntryBytes;
    }
    return entry->second;
  }

  // Forgets all if they take more than kMaxBytes.
  void Trim() {
    if (bytes_ <= kMaxBytes) return;
    names_.clear();
    bytes_ = 0;
  }

 private:
  static constexpr size_t kEntryBytes = 2 * (sizeof(const char*) + sizeof(std::string));
  absl::node_hash_map<const char*, std::string> names_;
  size_t bytes_ = 0;
};

}  // namespace kiln::symbolizer
