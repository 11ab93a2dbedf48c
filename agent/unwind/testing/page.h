// SPDX-License-Identifier: Apache-2.0
// Pages of unwind tables for tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "bpf/unwind_table.h"

namespace kiln::agent::testing {

inline constexpr size_t kPageRowsAt = offsetof(kiln_page, rows) / 4;

// Row 0 of a page has offset 0.
struct PlacedRow {
  uint16_t place = 0;  // in the page
  uint32_t kind = KILN_ROW_SP;
  uint32_t a = 1;
  uint32_t b = 0;
};

inline PlacedRow RuleRow(uint16_t place, uint32_t number) {
  return {.place = place, .kind = KILN_ROW_RULE, .a = number & KILN_ROW_FIELD_MAX, .b = number >> 11};
}

inline kiln_rule AnyRule() {
  return {.cfa_kind = KILN_CFA_REGISTER,
          .cfa_register = 5,
          .ra_kind = KILN_VALUE_AT_CFA,
          .cfa_offset = 16,
          .ra_offset = -8};
}

// The fields of a page by their offset in bytes.
inline uint16_t GetPage16(std::span<const uint32_t> words, size_t offset) {
  uint16_t value;
  std::memcpy(&value, reinterpret_cast<const char*>(words.data()) + offset, sizeof(value));
  return value;
}
inline void SetPage16(std::span<uint32_t> words, size_t offset, uint16_t value) {
  std::memcpy(reinterpret_cast<char*>(words.data()) + offset, &value, sizeof(value));
}

// A page of these rows, ascending by place, the first at 0.
inline std::vector<uint32_t> MakePage(const std::vector<PlacedRow>& rows, const std::vector<kiln_rule>& rules = {}) {
  std::vector<uint32_t> words(kPageRowsAt);
  const auto count = static_cast<uint16_t>(rows.size());
  SetPage16(words, offsetof(kiln_page, row_count), count);
  SetPage16(words, offsetof(kiln_page, rule_count), static_cast<uint16_t>(rules.size()));
  SetPage16(words, offsetof(kiln_page, rules_at), static_cast<uint16_t>(kPageRowsAt + rows.size()));
  for (size_t block = 0; block < KILN_PAGE_BLOCKS + 4; ++block) {
    uint16_t first = 1;
    while (first < count && (rows[first].place >> KILN_BLOCK_SHIFT) < static_cast<int>(block)) ++first;
    SetPage16(words, offsetof(kiln_page, first_row) + 2 * block, first);
  }
  for (const PlacedRow& row : rows) words.push_back(KILN_ROW(row.place & 0xff, row.kind, row.a, row.b));
  for (const kiln_rule& rule : rules) {
    words.resize(words.size() + KILN_RULE_WORDS);
    std::memcpy(words.data() + words.size() - KILN_RULE_WORDS, &rule, sizeof(rule));
  }
  return words;
}

// `count` rows spread over the page.
inline std::vector<uint32_t> MakeLargePage(uint32_t count) {
  std::vector<PlacedRow> rows;
  for (uint32_t i = 0; i < count; ++i) {
    rows.push_back({.place = static_cast<uint16_t>(uint64_t{i} * 65536 / count), .a = 1 + i % 9, .b = i % 3});
  }
  return MakePage(rows, {AnyRule()});
}

}  // namespace kiln::agent::testing
