// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>

#include "agent/process/object_files.h"
#include "symbolizer/symbol.h"
#include "symbolizer/symbol_table.h"

namespace kiln::agent {

// The names of the addresses of one object file that were asked for. Its symbol table is read when an address comes
// that was not seen before, and may be dropped in between: an address that was named stays named. Thread-compatible.
class ObjectNames {
 public:
  struct Found {
    const symbolizer::SourceLine* line;  // nullptr = none. Stays as long as this object
    symbolizer::Miss miss;               // why
  };
  // `file` must be the same each time.
  Found Find(const ObjectFile& file, ElfAddress address);

  void DropTable();
  bool has_table() const { return table_ != nullptr; }
  size_t table_bytes() const { return table_ == nullptr ? 0 : table_->memory_bytes(); }
  // Without the table.
  size_t memory_bytes() const { return bytes_ + addresses_.capacity() * kAddressBytes; }

 private:
  struct Known {
    uint32_t line;  // in lines_, or kNone
    symbolizer::Miss miss;
  };
  static constexpr uint32_t kNone = ~uint32_t{0};
  static constexpr size_t kAddressBytes = sizeof(uint64_t) + sizeof(Known) + 1;

  std::unique_ptr<const symbolizer::SymbolTable> table_;
  symbolizer::Miss table_miss_ = symbolizer::Miss::kNone;  // why there can't be one
  absl::flat_hash_map<uint64_t, Known> addresses_;
  std::deque<symbolizer::SourceLine> lines_;
  // By the name in table_: most functions have several frames, and demangling is what naming costs.
  absl::flat_hash_map<std::string_view, uint32_t> line_of_symbol_;
  size_t bytes_ = 0;
};

}  // namespace kiln::agent
