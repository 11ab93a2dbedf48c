// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/page_reader.h"

#include <cstring>

#include "symbolizer/unwind/row.h"

namespace kiln::symbolizer {
namespace {

constexpr size_t kHeaderWords = offsetof(kiln_page, rows) / sizeof(uint32_t);

// False if the page is not as it should be.
bool ReadHeader(std::span<const uint32_t> page, kiln_page& header) {
  if (page.size() < kHeaderWords) return false;
  std::memcpy(&header, page.data(), kHeaderWords * sizeof(uint32_t));
  return header.row_count >= 1 && kHeaderWords + header.row_count <= header.rules_at &&
         header.rules_at + size_t{header.rule_count} * KILN_RULE_WORDS <= page.size();
}

kiln_rule PlainRule(const UnwindMachine& machine, uint32_t row) {
  const auto kind = KILN_ROW_KIND(row);
  const auto saved = static_cast<int32_t>(8 * KILN_ROW_B(row));
  kiln_rule rule{.cfa_kind = KILN_CFA_REGISTER,
                 .cfa_register = kind == KILN_ROW_FP ? machine.fp : machine.sp,
                 .cfa_offset = static_cast<int32_t>(8 * KILN_ROW_A(row))};
  const auto set_fp = [&] {
    rule.fp_kind = KILN_VALUE_AT_CFA;
    rule.fp_offset = -saved;
  };
  const auto set_ra = [&](int32_t offset) {
    rule.ra_kind = KILN_VALUE_AT_CFA;
    rule.ra_offset = offset;
  };
  if (machine.is_x86()) {
    set_ra(-8);
    if (saved != 0) set_fp();
    if (kind == KILN_ROW_OTHER) rule.flags = KILN_RULE_DERIVED;
  } else if (kind == KILN_ROW_OTHER) {
    set_ra(-saved);
  } else if (saved != 0) {
    set_fp();
    set_ra(-saved + 8);
  }
  return rule;
}

std::optional<kiln_rule> RuleOf(const UnwindMachine& machine, std::span<const uint32_t> page, const kiln_page& header,
                                uint32_t row) {
  if (KILN_ROW_KIND(row) != KILN_ROW_RULE) return PlainRule(machine, row);
  const uint32_t number = KILN_ROW_NUMBER(row);
  if (number < KILN_FIRST_RULE) return SpecialRule(static_cast<kiln_special>(number));
  if (number - KILN_FIRST_RULE >= header.rule_count) return std::nullopt;
  kiln_rule rule;
  std::memcpy(&rule, page.data() + header.rules_at + (number - KILN_FIRST_RULE) * KILN_RULE_WORDS, sizeof(rule));
  return rule;
}

}  // namespace

std::optional<kiln_rule> FindRow(const UnwindMachine& machine, std::span<const uint32_t> page, uint32_t offset) {
  kiln_page header;
  const uint32_t block = offset >> KILN_BLOCK_SHIFT;
  if (!ReadHeader(page, header) || block >= KILN_PAGE_BLOCKS) return std::nullopt;
  // The last row that begins at or before the offset: rows `low` … `high` - 1 are in its block, and row low - 1 is in
  // force where the block begins.
  uint32_t low = header.first_row[block];
  uint32_t high = header.first_row[block + 1];
  if (low < 1 || low > high || high > header.row_count) return std::nullopt;
  const uint32_t wanted = offset & ((1 << KILN_BLOCK_SHIFT) - 1);
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (KILN_ROW_OFFSET(page[kHeaderWords + middle]) <= wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return RuleOf(machine, page, header, page[kHeaderWords + low - 1]);
}

bool VisitRows(const UnwindMachine& machine, std::span<const uint32_t> page,
               const std::function<void(uint32_t, const kiln_rule&)>& visit) {
  kiln_page header;
  if (!ReadHeader(page, header)) return false;
  uint32_t block = 0;
  for (uint32_t i = 0; i < header.row_count; ++i) {
    while (i > 0 && block + 1 < KILN_PAGE_BLOCKS && header.first_row[block + 1] <= i) ++block;
    const uint32_t row = page[kHeaderWords + i];
    const std::optional<kiln_rule> rule = RuleOf(machine, page, header, row);
    if (!rule) return false;
    visit(i == 0 ? 0 : block << KILN_BLOCK_SHIFT | KILN_ROW_OFFSET(row), *rule);
  }
  return true;
}

}  // namespace kiln::symbolizer
