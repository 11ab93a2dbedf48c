// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "agent/process/object_files.h"
#include "symbolizer/symbol.h"

namespace kiln::agent {

// The names of the addresses of one object file that were asked for. Symbol tables are read for what is not known yet
// and not kept: an address that was named stays named. Thread-compatible.
class ObjectNames {
 public:
  struct Found {
    const symbolizer::SourceLine* line;  // nullptr = none. Stays as long as this object
    symbolizer::Miss miss;               // why
  };
  // `file` must be the same each time. An address that Prepare was not told of costs a look through the whole file.
  Found Find(const ObjectFile& file, ElfAddress address);

  // Looks up all of these that are not known yet, at once. In any order, perhaps more than once.
  void Prepare(const ObjectFile& file, std::vector<uint64_t> addresses);

  size_t memory_bytes() const { return bytes_ + addresses_.capacity() * kAddressBytes; }

 private:
  struct Known {
    uint32_t line;  // in lines_, or kNone
    symbolizer::Miss miss;
  };
  static constexpr uint32_t kNone = ~uint32_t{0};
  static constexpr size_t kAddressBytes = sizeof(uint64_t) + sizeof(Known) + 1;

  uint32_t LineOf(std::string_view symbol);

  symbolizer::Miss file_miss_ = symbolizer::Miss::kNone;  // why there can't be any name
  absl::flat_hash_map<uint64_t, Known> addresses_;
  std::deque<symbolizer::SourceLine> lines_;
  // By the symbol's name, which its line has: most functions have several frames, and demangling is what naming costs.
  absl::flat_hash_map<std::string_view, uint32_t> line_of_symbol_;
  size_t bytes_ = 0;
};

}  // namespace kiln::agent
