// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

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
  // All are forgotten when they take more.
  static constexpr size_t kMaxBytes = size_t{32} << 20;

  // Valid until the next call.
  const std::string& Get(std::string_view mangled) {
    const auto found = names_.find(mangled.data());
    if (found != names_.end()) return found->second;
    if (bytes_ > kMaxBytes) {
      names_.clear();
      bytes_ = 0;
    }
    std::string name = Demangle(mangled);
    bytes_ += name.capacity() + kEntryBytes;
    return names_.emplace(mangled.data(), std::move(name)).first->second;
  }

 private:
  static constexpr size_t kEntryBytes = 2 * (sizeof(const char*) + sizeof(std::string));
  absl::flat_hash_map<const char*, std::string> names_;
  size_t bytes_ = 0;
};

}  // namespace kiln::symbolizer
