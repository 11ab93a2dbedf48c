// SPDX-License-Identifier: Apache-2.0
// Turns one unit's functions and lines into intervals: the tree of inlined calls is painted over the addresses,
// innermost last, and laid over the rows of the line table.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <vector>

#include "symbolizer/dwarf/functions.h"
#include "symbolizer/dwarf/info_file.h"
#include "symbolizer/dwarf/line_program.h"
#include "symbolizer/index/code_ranges.h"
#include "symbolizer/index/line_index_writer.h"
#include "symbolizer/interval_map.h"
#include "symbolizer/symbol_table.h"

namespace kiln::symbolizer {

// For one unit; made anew for each.
class UnitFlattener {
 public:
  // `info` has the entries of the functions of `unit`; `symbols` are those of the file. All must live as long as this.
  UnitFlattener(dwarf::InfoFile& info, const dwarf::OpenUnit& unit, const CodeRanges& code, const SymbolTable& symbols,
                LineIndexWriter& writer)
      : info_(info), unit_(unit), code_(code), symbols_(symbols), writer_(writer) {}

  void Add(const dwarf::Functions& functions, const dwarf::LineTable& lines);
  // Ranges of functions that are not in the file.
  uint32_t dropped_ranges() const { return dropped_ranges_; }

 private:
  struct Row {
    uint64_t start;
    uint64_t end;
    const dwarf::LineRow* row;
  };
  struct Painted {
    uint64_t start;
    uint64_t end;
    uint32_t scope;
  };
  std::vector<Painted> PaintScopes(const dwarf::Functions& functions);
  std::vector<Row> OrderRows(const dwarf::LineTable& lines);
  void Emit(uint64_t start, uint64_t end, uint32_t scope, const dwarf::LineRow* row);
  void EndPiece();
  void NameBySymbols();
  uint32_t NodeOf(uint32_t scope, uint32_t file);
  uint32_t FunctionOf(const dwarf::Scope& scope);
  uint32_t FileOf(uint64_t number);

  dwarf::InfoFile& info_;
  const dwarf::OpenUnit& unit_;
  const CodeRanges& code_;
  const SymbolTable& symbols_;
  LineIndexWriter& writer_;
  const dwarf::Functions* functions_ = nullptr;
  const dwarf::LineTable* lines_ = nullptr;
  absl::flat_hash_map<uint64_t, uint32_t> function_of_entry_;
  // The node of a scope that was made first, and the file that it has; others are in `variants_`. Code of one function
  // is in several files where it includes some.
  struct FirstNode {
    uint32_t node = kNoNode;
    uint32_t file = 0;
  };
  std::vector<FirstNode> nodes_;
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, uint32_t> variants_;
  absl::flat_hash_map<uint64_t, uint32_t> files_;
  std::vector<LineInterval> piece_;
  uint64_t piece_end_ = 0;
  bool piece_has_function_ = false;  // else lines alone, as units of dwz repeat them
  uint32_t dropped_ranges_ = 0;
};

}  // namespace kiln::symbolizer
