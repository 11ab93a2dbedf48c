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

const DerivedRows::Gap* DerivedRows::FindGap(const CodeExtent& range) const {
  const auto found = std::ranges::find_if(
      gaps_, [&](const Gap& gap) { return gap.extent.begin <= range.begin && range.end <= gap.extent.end; });
  return found == gaps_.end() ? nullptr : &*found;
}

const DerivedRows::Gap* DerivedRows::Analyse(const CodeExtent& extent) {
  Gap& gap = gaps_.emplace_back(Gap{.extent = extent});
  const uint64_t size = extent.end.value() - extent.begin.value();
  std::vector<std::byte> code;
  if (size <= kMaxDerivedGapBytes && size <= elf_.BytesFrom(extent.begin)) code.resize(size);
  if (code.empty() || !elf_.ReadAddress(extent.begin, code).ok()) {
    counts_.unread_bytes += size;
    return &gap;
  }
  if (!starts_) starts_ = FindFunctionStarts(elf_);
  ++counts_.gaps;
  for (uint32_t at = 0; at < code.size();) {
    const ElfAddress begin(extent.begin.value() + at);
    const std::vector<uint32_t> known = OffsetsIn(starts_->known, begin, code.size() - at);
    const std::vector<uint32_t> likely = OffsetsIn(starts_->likely, begin, code.size() - at);
    const std::span<const std::byte> swept = std::span(code).subspan(at);
    CodeSweep sweep = SweepCode(swept, begin, known);
    const auto targets = ReadJumpTables(elf_, sweep, begin);
    CodeFlow flow(std::move(sweep), {.known = known, .likely = likely, .table_targets = targets, .code = swept});
    flow.Run();
    AddFlow(flow, at, gap);
    at += std::max<uint32_t>(flow.sweep().size, 1);
  }
  gap.rows.shrink_to_fit();
  counts_.rows += gap.rows.size();
  return &gap;
}

void DerivedRows::AddFlow(const CodeFlow& flow, uint32_t offset, Gap& gap) {
  flow.Visit([&](const CodeFlow::Stretch& stretch) {
    kiln_rule rule = stretch.state != nullptr ? stretch.state->Rule() : SpecialRule(KILN_SPECIAL_UNCLEAR);
    if (IsSpecial(rule, KILN_SPECIAL_UNCLEAR)) {
      const Unclear reason = stretch.state != nullptr ? Unclear::kNoFrame : stretch.reason;
      counts_.unclear_bytes[static_cast<size_t>(reason)] += stretch.end - stretch.begin;
    } else {
      counts_.derived_bytes += stretch.end - stretch.begin;
    }
    // What became of the tracked register is not followed.
    if (rule.cfa_kind != KILN_CFA_SPECIAL && tracked_ != KILN_NO_REGISTER) rule.other_kind = KILN_VALUE_LOST;
    const uint32_t number = RuleNumber(rule);
    if (!gap.rows.empty() && gap.rows.back().rule == number) return;
    gap.rows.push_back({.offset = offset + stretch.begin, .rule = number});
  });
  counts_.instructions += flow.sweep().instructions;
  counts_.functions += flow.functions();
  counts_.unclear_functions += flow.unclear_functions();
}

bool DerivedRows::Fill(const CodeExtent& gap, const CodeExtent& range, RowSink& sink) {
  if (elf_.machine() != EM_X86_64) return false;
  const Gap* known = FindGap(range);
  if (known == nullptr) known = Analyse(gap);
  if (known->rows.empty()) return false;
  const uint64_t base = known->extent.begin.value();
  auto row = std::ranges::upper_bound(known->rows, range.begin.value() - base, {}, &Row::offset);
  if (row != known->rows.begin()) --row;
  sink.Add(range.begin, rules_[row->rule]);
  for (++row; row != known->rows.end() && base + row->offset < range.end.value(); ++row) {
    sink.Add(ElfAddress(base + row->offset), rules_[row->rule]);
  }
  return true;
}

}  // namespace kiln::symbolizer
