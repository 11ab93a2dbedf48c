// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/derived_rows.h"

#include <elf.h>

#include <absl/hash/hash.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "symbolizer/unwind/derive_tables.h"

namespace kiln::symbolizer {
namespace {

// Those of `addresses` that lie in [begin, begin + size), as offsets from begin.
std::vector<uint32_t> OffsetsIn(const std::vector<ElfAddress>& addresses, ElfAddress begin, size_t size) {
  std::vector<uint32_t> offsets;
  for (auto at = std::ranges::lower_bound(addresses, begin);
       at != addresses.end() && at->value() - begin.value() < size; ++at) {
    offsets.push_back(static_cast<uint32_t>(at->value() - begin.value()));
  }
  return offsets;
}

}  // namespace

size_t DerivedRows::RuleHash::operator()(const kiln_rule& rule) const {
  return absl::HashOf(std::string_view(reinterpret_cast<const char*>(&rule), sizeof(rule)));
}

uint32_t DerivedRows::RuleNumber(const kiln_rule& rule) {
  const auto [found, is_new] = rule_numbers_.try_emplace(rule, static_cast<uint32_t>(rules_.size()));
  if (is_new) rules_.push_back(rule);
  return found->second;
}

// Parts lie at multiples of their size from the gap's begin, so rules do not depend on what was asked for first.
const DerivedRows::Part& DerivedRows::PartAt(const CodeExtent& gap, ElfAddress address) {
  const auto known = std::ranges::find_if(
      parts_, [&](const Part& part) { return part.extent.begin <= address && address < part.extent.end; });
  if (known != parts_.end()) return *known;
  const uint64_t begin = gap.begin.value(), end = gap.end.value();
  CodeExtent extent = gap;
  if (end - begin > 2 * kDerivedPartBytes) {
    const uint64_t part_begin = begin + (address.value() - begin) / kDerivedPartBytes * kDerivedPartBytes;
    extent = {.begin = ElfAddress(part_begin), .end = ElfAddress(std::min(part_begin + kDerivedPartBytes, end))};
  }
  const uint64_t before = std::min(extent.begin.value() - begin, kDerivedMarginBytes);
  const uint64_t behind = std::min(end - extent.end.value(), kDerivedMarginBytes);
  const CodeExtent surroundings{.begin = ElfAddress(extent.begin.value() - before),
                                .end = ElfAddress(extent.end.value() + behind)};
  if (end - begin > kMaxDerivedGapBytes) {
    counts_.unread_bytes += extent.end.value() - extent.begin.value();
    parts_.push_back({.extent = extent, .rows = {}});
  } else {
    parts_.push_back(Analyse(extent, surroundings));
  }
  return parts_.back();
}

DerivedRows::Part DerivedRows::Analyse(const CodeExtent& extent, const CodeExtent& surroundings) {
  Part part{.extent = extent, .rows = {}};
  const uint64_t size = surroundings.end.value() - surroundings.begin.value();
  std::vector<std::byte> code;
  if (size <= elf_.BytesFrom(surroundings.begin)) code.resize(size);
  if (code.empty() || !elf_.ReadAddress(surroundings.begin, code).ok()) {
    counts_.unread_bytes += extent.end.value() - extent.begin.value();
    return part;
  }
  if (!starts_) starts_ = FindFunctionStarts(elf_);
  ++counts_.parts;
  for (uint32_t at = 0; at < code.size();) {
    const ElfAddress begin(surroundings.begin.value() + at);
    const std::vector<uint32_t> known = OffsetsIn(starts_->known, begin, code.size() - at);
    const std::vector<uint32_t> likely = OffsetsIn(starts_->likely, begin, code.size() - at);
    const std::span<const std::byte> swept = std::span(code).subspan(at);
    CodeSweep sweep = SweepCode(swept, begin, known);
    const auto targets = ReadJumpTables(elf_, sweep, begin);
    CodeFlow flow(std::move(sweep), {.known = known, .likely = likely, .table_targets = targets, .code = swept});
    flow.Run();
    AddFlow(flow, begin, part);
    at += std::max<uint32_t>(flow.sweep().size, 1);
  }
  part.rows.shrink_to_fit();
  counts_.rows += part.rows.size();
  return part;
}

void DerivedRows::AddFlow(const CodeFlow& flow, ElfAddress code_begin, Part& part) {
  flow.Visit([&](const CodeFlow::Stretch& stretch) {
    const uint64_t begin = std::max(code_begin.value() + stretch.begin, part.extent.begin.value());
    const uint64_t end = std::min(code_begin.value() + stretch.end, part.extent.end.value());
    if (begin >= end) return;
    kiln_rule rule = stretch.state != nullptr ? stretch.state->Rule() : SpecialRule(KILN_SPECIAL_UNCLEAR);
    if (IsSpecial(rule, KILN_SPECIAL_UNCLEAR)) {
      const Unclear reason = stretch.state != nullptr ? Unclear::kNoFrame : stretch.reason;
      counts_.unclear_bytes[static_cast<size_t>(reason)] += end - begin;
    } else {
      counts_.derived_bytes += end - begin;
    }
    // What became of the tracked register is not followed.
    if (rule.cfa_kind != KILN_CFA_SPECIAL && tracked_ != KILN_NO_REGISTER) rule.other_kind = KILN_VALUE_LOST;
    const uint32_t number = RuleNumber(rule);
    if (!part.rows.empty() && part.rows.back().rule == number) return;
    part.rows.push_back({.offset = static_cast<uint32_t>(begin - part.extent.begin.value()), .rule = number});
  });
  counts_.instructions += flow.sweep().instructions;
  counts_.functions += flow.functions();
  counts_.unclear_functions += flow.unclear_functions();
}

bool DerivedRows::Fill(const CodeExtent& gap, const CodeExtent& range, RowSink& sink) {
  if (elf_.machine() != EM_X86_64) return false;
  bool added = false;
  for (ElfAddress at = range.begin; at < range.end;) {
    const Part& part = PartAt(gap, at);
    if (part.rows.empty()) {  // all parts of a gap can be read, or none, unless the file is cut short
      if (!added) return false;
      sink.Add(at, SpecialRule(KILN_SPECIAL_NO_CFI));
      return true;
    }
    added = true;
    const uint64_t base = part.extent.begin.value();
    auto row = std::ranges::upper_bound(part.rows, at.value() - base, {}, &Row::offset);
    if (row != part.rows.begin()) --row;
    sink.Add(at, rules_[row->rule]);
    for (++row; row != part.rows.end() && base + row->offset < range.end.value(); ++row) {
      sink.Add(ElfAddress(base + row->offset), rules_[row->rule]);
    }
    at = part.extent.end;
  }
  return true;
}

}  // namespace kiln::symbolizer
