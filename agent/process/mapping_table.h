// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <vector>

#include "agent/process/maps.h"

namespace kiln::agent {

// The executable mappings of one process, not overlapping. Thread-compatible.
class MappingTable {
 public:
  MappingTable() = default;
  explicit MappingTable(std::vector<Mapping> mappings) {
    for (Mapping& mapping : mappings) Insert(std::move(mapping));
  }

  // Adds a mapping; what it overlaps is cut back to the rest, as mmap(2) with MAP_FIXED does. Returns true if code that
  // was known before is now something else, so that addresses located earlier mean something else too.
  bool Insert(Mapping mapping);

  // nullptr if `address` is in none. Valid until the table changes.
  const Mapping* Find(ProcessAddress address) const;

  friend bool operator==(const MappingTable&, const MappingTable&) = default;

  size_t size() const { return by_start_.size(); }
  auto begin() const { return by_start_.begin(); }
  auto end() const { return by_start_.end(); }

 private:
  std::map<ProcessAddress, Mapping> by_start_;
};

}  // namespace kiln::agent
