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

  // True if code that `before` knows is something else here. What is gone is not.
  bool Replaces(const MappingTable& before) const;

  // Names this state: two tables with the same version are equal. Never 0.
  uint64_t version() const { return version_; }

  // The same mappings, whatever the version.
  friend bool operator==(const MappingTable& a, const MappingTable& b) { return a.by_start_ == b.by_start_; }

  size_t size() const { return by_start_.size(); }
  auto begin() const { return by_start_.begin(); }
  auto end() const { return by_start_.end(); }

 private:
  static uint64_t NextVersion();

  std::map<ProcessAddress, Mapping> by_start_;
  uint64_t version_ = NextVersion();
};

}  // namespace kiln::agent
