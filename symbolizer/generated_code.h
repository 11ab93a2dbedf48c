// SPDX-License-Identifier: Apache-2.0
// Names, files and lines of code that a process makes at run time, by address: what perf maps (perf_map.h) and jitdumps
// (jitdump.h) tell. It changes while the process runs: new code replaces what it covers, code is moved.
//
// One sorted tree of ranges that do not overlap, 24 bytes each, and one pool of names. A function with line numbers is
// a range for each line. Names of code that is gone stay in the pool until there are more of them than of others; then
// the pool is made anew.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "symbolizer/name_pool.h"
#include "symbolizer/symbol.h"

namespace kiln::symbolizer {

// Thread-compatible.
class GeneratedCode {
 public:
  // A range of at most this many bytes can be added: no compiler makes a function of 4 GiB.
  static constexpr uint64_t kMaxBytes = UINT32_MAX;

  // From `address` on, up to the next one.
  struct Line {
    uint64_t address;
    uint32_t line;
    uint32_t file;  // by AddFile
  };

  // Adds a function over all that was there. `lines` are sorted by address; those outside of the function are passed
  // over, code before the first one has no line. False, and nothing is changed, if there is no such range or the name
  // is empty or has a NUL.
  bool Add(uint64_t start, uint64_t size, std::string_view name, std::span<const Line> lines = {});
  // The number of a file's name, for Add. Valid until Add or Clear. 0, which is no file, if the name is empty.
  uint32_t AddFile(std::string_view name);
  // Moves what is in [from, from + size) over what is at `to`. Returns how many ranges that were.
  size_t Move(uint64_t from, uint64_t to, uint64_t size);
  void Clear();

  // One line, or kNotCovered. Names are given as they are, except that C++ and Rust names are demangled.
  Naming Lookup(ProcessAddress address) const;

  bool empty() const { return ranges_.empty(); }
  size_t ranges() const { return ranges_.size(); }
  size_t memory_bytes() const { return ranges_.size() * kRangeBytes + names_.memory_bytes() + file_bytes_; }

 private:
  struct Range {
    uint32_t size;
    uint32_t name;  // in names_, as file
    uint32_t file;
    uint32_t line;
  };
  // A node of the tree holds ten, and is two thirds full.
  static constexpr size_t kRangeBytes = (sizeof(uint64_t) + sizeof(Range)) * 3 / 2;

  void Cut(uint64_t start, uint64_t end);
  void CompactNames();

  absl::btree_map<uint64_t, Range> ranges_;  // by start
  NamePool names_;
  absl::flat_hash_map<std::string, uint32_t> files_;
  size_t file_bytes_ = 0;
  size_t dropped_ = 0;  // ranges, since the pool was made
};

}  // namespace kiln::symbolizer
