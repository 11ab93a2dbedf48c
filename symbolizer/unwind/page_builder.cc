// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/page_builder.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace kiln::symbolizer {
namespace {

constexpr size_t kHeaderWords = offsetof(kiln_page, rows) / sizeof(uint32_t);
// What fits beside the header, if there are no rows or no rules.
constexpr size_t kMaxRows = KILN_VALUE_WORDS - kHeaderWords;
constexpr size_t kMaxRules = kMaxRows / KILN_RULE_WORDS;

// `value` as a multiple of 8 that fits a field of a row.
std::optional<uint32_t> Field(int64_t value) {
  if (value < 0 || value % 8 != 0 || value / 8 > KILN_ROW_FIELD_MAX) return std::nullopt;
  return static_cast<uint32_t>(value / 8);
}

// How far below the CFA a register is saved, as a field; 0 if it is unchanged. nullopt for all else.
std::optional<uint32_t> SavedField(uint8_t kind, int32_t offset) {
  if (kind == KILN_VALUE_SAME) return 0;
  if (kind != KILN_VALUE_AT_CFA) return std::nullopt;
  const std::optional<uint32_t> field = Field(-int64_t{offset});
  return field && *field != 0 ? field : std::nullopt;
}

// A row of a plain kind, at offset 0; nullopt if `rule` needs an extended one.
std::optional<uint32_t> PlainRow(const UnwindMachine& machine, const kiln_rule& rule) {
  if (rule.cfa_kind != KILN_CFA_REGISTER || rule.other_kind != KILN_VALUE_SAME) return std::nullopt;
  const bool on_sp = rule.cfa_register == machine.sp;
  const bool derived = rule.flags == KILN_RULE_DERIVED;
  if ((!on_sp && rule.cfa_register != machine.fp) || (rule.flags != 0 && !derived)) return std::nullopt;
  const std::optional<uint32_t> a = Field(rule.cfa_offset);
  const std::optional<uint32_t> fp = SavedField(rule.fp_kind, rule.fp_offset);
  if (!a || !fp) return std::nullopt;
  const int kind = on_sp ? KILN_ROW_SP : KILN_ROW_FP;
  if (machine.is_x86()) {
    if (rule.ra_kind != KILN_VALUE_AT_CFA || rule.ra_offset != -8) return std::nullopt;
    if (derived && !on_sp) return std::nullopt;
    return KILN_ROW(0, derived ? KILN_ROW_OTHER : kind, *a, *fp);
  }
  const std::optional<uint32_t> lr = SavedField(rule.ra_kind, rule.ra_offset);
  if (derived || !lr) return std::nullopt;
  if (*fp == 0) {
    if (*lr == 0) return KILN_ROW(0, kind, *a, 0);
    return on_sp ? std::optional(KILN_ROW(0, KILN_ROW_OTHER, *a, *lr)) : std::nullopt;
  }
  // The pair: LR above FP.
  return *lr + 1 == *fp && *lr != 0 ? std::optional(KILN_ROW(0, kind, *a, *fp)) : std::nullopt;
}

size_t Hash(const kiln_rule& rule) {
  std::array<uint32_t, KILN_RULE_WORDS> words;
  std::memcpy(words.data(), &rule, sizeof(rule));
  uint64_t hash = 0;
  for (const uint32_t word : words) hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return static_cast<size_t>(hash >> 32);
}

}  // namespace

void PageBuilder::Start(ElfAddress begin) {
  begin_ = begin.value();
  window_begin_ = begin_;
  window_end_ = begin_ + kPageBytes;
  first_ = begin_;
  is_full_ = false;
  rows_.clear();
  blocks_.clear();
  rules_.clear();
  rule_slots_.fill(0);
  too_large_ = false;
  pending_address_ = begin_;
  pending_ = SpecialRule(KILN_SPECIAL_NO_CFI);
}

void PageBuilder::SetWindow(ElfAddress begin, ElfAddress end, ElfAddress first) {
  window_begin_ = std::max(begin.value(), begin_);
  window_end_ = std::min(end.value(), begin_ + kPageBytes);
  first_ = first.value();
  is_full_ = false;
}

void PageBuilder::Add(ElfAddress address, const kiln_rule& rule) {
  if (address.value() >= window_end_ && address.value() > first_) {
    is_full_ = true;
    return;
  }
  const uint64_t at = address.value() <= first_ ? window_begin_ : std::max(address.value(), window_begin_);
  // Sources promise ascending rows; a row that goes back would end up at a wrong place.
  if (at > pending_address_) {
    Flush();
    pending_address_ = at;
  }
  pending_ = rule;
}

void PageBuilder::Flush() {
  if (!rows_.empty() && pending_ == last_) return;
  if (rows_.size() == kMaxRows) too_large_ = true;
  if (too_large_) return;
  uint32_t row = 0;
  if (pending_.cfa_kind == KILN_CFA_SPECIAL) {
    const auto special = static_cast<uint32_t>(pending_.cfa_offset);
    row = KILN_ROW(0, KILN_ROW_RULE, special & KILN_ROW_FIELD_MAX, special >> 11);
  } else if (const std::optional<uint32_t> plain = PlainRow(machine_, pending_)) {
    row = *plain;
  } else {
    const uint32_t number = KILN_FIRST_RULE + RuleNumber(pending_);
    row = KILN_ROW(0, KILN_ROW_RULE, number & KILN_ROW_FIELD_MAX, number >> 11);
  }
  const uint64_t offset = pending_address_ - begin_;
  rows_.push_back(row | static_cast<uint32_t>(offset & ((1 << KILN_BLOCK_SHIFT) - 1)));
  blocks_.push_back(static_cast<uint8_t>(offset >> KILN_BLOCK_SHIFT));
  last_ = pending_;
}

uint32_t PageBuilder::RuleNumber(const kiln_rule& rule) {
  size_t slot = Hash(rule) % kRuleSlots;
  for (; rule_slots_[slot] != 0; slot = (slot + 1) % kRuleSlots) {
    const uint32_t number = rule_slots_[slot] - 1U;
    if (rules_[number] == rule) return number;
  }
  if (rules_.size() == kMaxRules) {
    too_large_ = true;
    return 0;
  }
  rules_.push_back(rule);
  rule_slots_[slot] = static_cast<uint16_t>(rules_.size());
  return static_cast<uint32_t>(rules_.size()) - 1;
}

bool PageBuilder::Finish(std::vector<uint32_t>& words) {
  Flush();
  words.clear();
  const size_t rules_at = kHeaderWords + rows_.size();
  const size_t size = rules_at + rules_.size() * KILN_RULE_WORDS;
  if (too_large_ || size > KILN_VALUE_WORDS) return false;
  kiln_page page{.last_used = 0,
                 .row_count = static_cast<__u16>(rows_.size()),
                 .rule_count = static_cast<__u16>(rules_.size()),
                 .rules_at = static_cast<__u16>(rules_at),
                 .reserved = 0};
  uint16_t row = 1;
  for (size_t block = 0; block < std::size(page.first_row); ++block) {
    while (row < rows_.size() && blocks_[row] < block) ++row;
    page.first_row[block] = row;
  }
  words.resize(size);
  std::memcpy(words.data(), &page, kHeaderWords * sizeof(uint32_t));
  std::ranges::copy(rows_, words.begin() + kHeaderWords);
  if (!rules_.empty()) std::memcpy(words.data() + rules_at, rules_.data(), rules_.size() * sizeof(kiln_rule));
  return true;
}

}  // namespace kiln::symbolizer
