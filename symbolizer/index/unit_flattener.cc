// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/index/unit_flattener.h"

#include <algorithm>
#include <utility>

#include "symbolizer/demangle.h"

namespace kiln::symbolizer {

using dwarf::kNoScope;
using dwarf::LineRow;
using dwarf::Scope;

namespace {

// Intervals that are handed over at once.
constexpr size_t kMaxPieceIntervals = 64 * 1024;

}  // namespace

std::vector<UnitFlattener::Painted> UnitFlattener::PaintScopes(const dwarf::Functions& functions) {
  std::vector<IntervalMap::Range> ranges;
  ranges.reserve(functions.ranges.size());
  for (uint32_t scope = 0; scope < functions.scopes.size(); ++scope) {
    const Scope& at = functions.scopes[scope];
    for (uint32_t i = at.first_range; i < at.first_range + at.ranges; ++i) {
      const dwarf::AddressRange& range = functions.ranges[i];
      if (code_.Contains(range.start, range.end)) {
        ranges.push_back({.start = range.start, .end = range.end, .value = scope});
      } else {
        ++dropped_ranges_;
      }
    }
  }
  std::vector<Painted> painted;
  IntervalMap::Paint(ranges).ForEach([&](uint64_t start, uint64_t end, uint32_t scope) {
    painted.push_back({.start = start, .end = end, .scope = scope});
  });
  return painted;
}

std::vector<UnitFlattener::Row> UnitFlattener::OrderRows(const dwarf::LineTable& lines) {
  std::vector<Row> rows;
  const std::vector<LineRow>& all = lines.rows();
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    if (all[i].ends_sequence || all[i].address >= all[i + 1].address) continue;
    if (!code_.Contains(all[i].address, all[i + 1].address)) continue;
    rows.push_back({.start = all[i].address, .end = all[i + 1].address, .row = &all[i]});
  }
  if (!std::ranges::is_sorted(rows, {}, &Row::start)) std::ranges::stable_sort(rows, {}, &Row::start);
  // Sequences that overlap: the one that begins first counts.
  uint64_t covered = 0;
  std::erase_if(rows, [&](Row& row) {
    row.start = std::max(row.start, covered);
    if (row.start >= row.end) return true;
    covered = row.end;
    return false;
  });
  return rows;
}

void UnitFlattener::Add(const dwarf::Functions& functions, const dwarf::LineTable& lines) {
  functions_ = &functions;
  lines_ = &lines;
  nodes_.assign(functions.scopes.size() + 1, {});
  NameBySymbols();
  const std::vector<Painted> scopes = PaintScopes(functions);
  const std::vector<Row> rows = OrderRows(lines);
  size_t scope = 0;
  size_t row = 0;
  uint64_t at = 0;
  while (scope < scopes.size() || row < rows.size()) {
    // What has ended.
    if (scope < scopes.size() && scopes[scope].end <= at) {
      ++scope;
      continue;
    }
    if (row < rows.size() && rows[row].end <= at) {
      ++row;
      continue;
    }
    // The next stretch on which neither changes.
    const uint64_t scope_start = scope < scopes.size() ? std::max(at, scopes[scope].start) : UINT64_MAX;
    const uint64_t row_start = row < rows.size() ? std::max(at, rows[row].start) : UINT64_MAX;
    const uint64_t start = std::min(scope_start, row_start);
    const bool in_scope = scope_start == start && scope < scopes.size();
    const bool in_row = row_start == start && row < rows.size();
    uint64_t end = in_scope ? scopes[scope].end : scope_start;
    end = std::min(end, in_row ? rows[row].end : row_start);
    Emit(start, end, in_scope ? scopes[scope].scope : kNoScope, in_row ? rows[row].row : nullptr);
    at = end;
  }
  EndPiece();
}

void UnitFlattener::Emit(uint64_t start, uint64_t end, uint32_t scope, const LineRow* row) {
  if (start != piece_end_ || piece_.size() >= kMaxPieceIntervals) EndPiece();
  const uint32_t node = NodeOf(scope, row == nullptr ? 0 : FileOf(row->file));
  const uint32_t line = row == nullptr ? 0 : row->line;
  const uint16_t column = row == nullptr ? 0 : row->column;
  piece_end_ = end;
  piece_has_function_ = piece_has_function_ || scope != kNoScope;
  if (!piece_.empty()) {
    const LineInterval& last = piece_.back();
    if (last.node == node && last.line == line && last.column == column) return;
  }
  piece_.push_back({.start = start, .node = node, .line = line, .column = column});
}

void UnitFlattener::EndPiece() {
  writer_.AddPiece(piece_, piece_end_, piece_has_function_);
  piece_.clear();
  piece_has_function_ = false;
}

uint32_t UnitFlattener::NodeOf(uint32_t scope, uint32_t file) {
  const uint32_t slot = scope == kNoScope ? static_cast<uint32_t>(functions_->scopes.size()) : scope;
  if (nodes_[slot].node != kNoNode && nodes_[slot].file == file) return nodes_[slot].node;
  if (const auto found = variants_.find(std::pair(slot, file)); found != variants_.end()) return found->second;
  LineIndexNode node{.function = kNoNode, .parent = kNoNode, .file = file};
  if (scope != kNoScope) {
    const Scope& at = functions_->scopes[scope];
    node.function = FunctionOf(at);
    if (at.parent != kNoScope) {
      // Recursion as deep as functions are inlined: parents come first in the list, so it ends. Any variant will do.
      const FirstNode& parent = nodes_[at.parent];
      node.parent = parent.node != kNoNode ? parent.node : NodeOf(at.parent, 0);
      const bool has_file = at.has_call_file && (at.call_file != 0 || unit_.view.header.encoding.version >= 5);
      node.call_file = has_file ? FileOf(at.call_file) : 0;
      node.call_line = at.call_line;
      node.call_column = at.call_column;
    }
  }
  const uint32_t index = writer_.AddNode(node);
  if (nodes_[slot].node == kNoNode) {
    nodes_[slot] = {.node = index, .file = file};
  } else {
    variants_.emplace(std::pair(slot, file), index);
  }
  return index;
}

// Functions without a linkage name mostly have a symbol all the same, which says more; and what was inlined of them has
// to have the same name.
void UnitFlattener::NameBySymbols() {
  for (const Scope& scope : functions_->scopes) {
    if (scope.parent != kNoScope) continue;
    const uint64_t start = functions_->ranges[scope.first_range].start;
    if (!code_.Contains(start, start + 1)) continue;
    const std::string_view symbol = WithoutSuffixes(symbols_.LookupRaw(ElfAddress(start)));
    if (!IsMangled(symbol)) continue;
    const dwarf::FunctionName name = info_.NameOf(unit_, scope.entry);
    // Of several symbols at one place another one may have been chosen.
    if (name.is_linkage || name.plain.empty() || symbol.find(name.plain) == std::string_view::npos) continue;
    const uint32_t function = writer_.AddFunction(symbol, true, name.decl_line);
    function_of_entry_[scope.entry] = function;
    function_of_entry_[scope.origin] = function;
  }
}

uint32_t UnitFlattener::FunctionOf(const Scope& scope) {
  const auto [entry, added] = function_of_entry_.try_emplace(scope.entry, 0);
  if (!added) return entry->second;
  const dwarf::FunctionName name = info_.NameOf(unit_, scope.entry);
  const uint32_t function = writer_.AddFunction(name.text, name.is_linkage, name.decl_line);
  return function_of_entry_[scope.entry] = function;
}

uint32_t UnitFlattener::FileOf(uint64_t number) {
  const auto [entry, added] = files_.try_emplace(number, 0);
  if (!added) return entry->second;
  return entry->second = writer_.AddFile(lines_->File(number));
}

}  // namespace kiln::symbolizer
