// SPDX-License-Identifier: Apache-2.0
// One file's .debug_info with what is needed to read any of its entries, and the names of functions, which are found by
// following references from entry to entry, across units and into the file that dwz moved common entries to.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "symbolizer/dwarf/abbreviations.h"
#include "symbolizer/dwarf/enclosing_scopes.h"
#include "symbolizer/dwarf/sections.h"
#include "symbolizer/dwarf/unit.h"

namespace kiln::symbolizer::dwarf {

// A unit that is ready to be read.
struct OpenUnit {
  UnitView view;
  UnitEntry entry;
  std::shared_ptr<const AbbreviationTable> abbreviations;
};

struct FunctionName {
  std::string text;         // "" if it has none. Without a linkage name: with the scopes around it
  std::string_view plain;   // as the entry says: the last part of `text`, unless that is a linkage name
  bool is_linkage = false;  // as in the symbol table: mangled, if the language mangles
  uint32_t decl_line = 0;   // 0 = not known
};

// Does not own the bytes. Thread-compatible.
class InfoFile {
 public:
  // `supplementary` is the file of .gnu_debugaltlink, or nullptr; it must live longer. `addresses` is .debug_addr.
  InfoFile(const Sections& sections, InfoFile* supplementary, Bytes addresses);

  const Sections& sections() const { return sections_; }
  const std::vector<UnitHeader>& units() const { return units_; }
  // `addr_base` and `gnu_ranges_base`: of the skeleton, for split units.
  OpenUnit Open(const UnitHeader& header, uint64_t addr_base = 0, uint64_t gnu_ranges_base = 0);
  // Of the function with its entry at `entry`: of `unit`, one of this file, or of another unit that `unit` refers to.
  FunctionName NameOf(const OpenUnit& unit, uint64_t entry);

 private:
  struct Step;
  static Step ReadStep(const OpenUnit& unit, uint64_t entry);
  const OpenUnit* UnitAt(uint64_t entry);
  std::string_view ScopeOf(const OpenUnit& unit, uint64_t entry);

  const Sections& sections_;
  InfoFile* supplementary_;
  Bytes addresses_;
  std::vector<UnitHeader> units_;
  AbbreviationCache abbreviations_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<OpenUnit>> referred_;       // by offset
  absl::flat_hash_map<uint64_t, std::unique_ptr<EnclosingScopes>> scopes_;  // by offset of their unit
};

}  // namespace kiln::symbolizer::dwarf
