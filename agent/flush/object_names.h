// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/process/object_files.h"
#include "symbolizer/index/line_index.h"
#include "symbolizer/symbol.h"

namespace kiln::agent {

// The names of the addresses of one object file that were asked for. Symbol tables are read for what is not known yet
// and not kept: an address that was named stays named. Thread-compatible.
class ObjectNames {
 public:
  struct Found {
    std::vector<const symbolizer::SourceLine*> lines;  // innermost first; empty = none. They stay until Prepare
    symbolizer::Miss miss;                             // why
  };
  // `file` must be the same each time. An address that Prepare was not told of costs a look through the whole file.
  Found Find(const ObjectFile& file, ElfAddress address);

  // Looks up all of these that are not known yet, at once. In any order, perhaps more than once. With a line index that
  // was not there before, all is looked up again that anybody asks for. Symbols of a stripped file are taken from its
  // debug file: in `debug_folders` (DebugPlaces), then in the roots of its process and the host.
  void Prepare(const ObjectFile& file, std::vector<uint64_t> addresses,
               std::shared_ptr<const symbolizer::LineIndex> index = nullptr,
               const std::vector<std::string>& debug_folders = {});

  size_t memory_bytes() const {
    return bytes_ + addresses_.capacity() * kAddressBytes + places_.capacity() * sizeof(places_[0]);
  }

 private:
  struct Known {
    uint32_t first;  // in places_
    uint16_t count;
    symbolizer::Miss miss;
  };
  static constexpr size_t kAddressBytes = sizeof(uint64_t) + sizeof(Known) + 1;

  void TakeFromGo(const ObjectFile& file, std::vector<uint64_t>& addresses);
  Known Remember(symbolizer::Naming naming);
  uint32_t Intern(symbolizer::SourceLine line);

  std::shared_ptr<const symbolizer::LineIndex> index_;
  bool is_not_go_ = false;  // known once it was looked for
  absl::flat_hash_map<uint64_t, Known> addresses_;
  std::vector<uint32_t> places_;  // of all addresses, one after the other: indices in lines_
  std::deque<symbolizer::SourceLine> lines_;
  // Most lines are part of several frames.
  struct LineHash {
    size_t operator()(const symbolizer::SourceLine* line) const {
      return absl::HashOf(line->name, line->system_name, line->file, line->line, line->column);
    }
  };
  struct LineEqual {
    bool operator()(const symbolizer::SourceLine* a, const symbolizer::SourceLine* b) const { return *a == *b; }
  };
  absl::flat_hash_map<const symbolizer::SourceLine*, uint32_t, LineHash, LineEqual> known_lines_;
  size_t bytes_ = 0;
};

}  // namespace kiln::agent
