// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_page.h"

#include <cstddef>
#include <cstring>

#include "bpf/registers.h"
#include "bpf/unwind_table.h"

namespace kiln::agent {
namespace {

constexpr size_t kRowsAt = offsetof(kiln_page, rows) / 4;
static_assert(kMinPageWords == kRowsAt + 1);
static_assert(kMaxPageWords == KILN_VALUE_WORDS);

// A copy of the part before the rows. The words are aligned for it, but they are no object of that type.
struct PageHead {
  uint32_t last_used;
  uint16_t row_count, rule_count, rules_at, reserved;
  uint16_t first_row[KILN_PAGE_BLOCKS + 4];
};
static_assert(sizeof(PageHead) == offsetof(kiln_page, rows));
static_assert(offsetof(PageHead, first_row) == offsetof(kiln_page, first_row));

PageHead HeadOf(std::span<const uint32_t> words) {
  PageHead head;
  std::memcpy(&head, words.data(), sizeof(head));
  return head;
}

kiln_rule RuleAt(std::span<const uint32_t> words, size_t at) {
  kiln_rule rule;
  std::memcpy(&rule, words.data() + at, sizeof(rule));
  return rule;
}

template <typename... Args>
Status Damaged(fmt::format_string<Args...> format, Args&&... args) {
  return Error(absl::StatusCode::kDataLoss, format, std::forward<Args>(args)...);
}

Status ValidateBlocks(std::span<const uint32_t> words, const PageHead& head) {
  // Every row but row 0 belongs to exactly one block.
  if (head.first_row[0] != 1) return Damaged("the first block begins with row {}", head.first_row[0]);
  for (size_t i = KILN_PAGE_BLOCKS; i < std::size(head.first_row); ++i) {
    if (head.first_row[i] != head.row_count) return Damaged("the blocks end with row {}", head.first_row[i]);
  }
  const uint32_t* rows = words.data() + kRowsAt;
  for (size_t block = 0; block < KILN_PAGE_BLOCKS; ++block) {
    const uint32_t first = head.first_row[block], end = head.first_row[block + 1];
    if (first > end || end > head.row_count) return Damaged("block {} has the rows {} to {}", block, first, end);
    for (uint32_t i = first + 1; i < end; ++i) {
      if (KILN_ROW_OFFSET(rows[i]) <= KILN_ROW_OFFSET(rows[i - 1])) return Damaged("row {} does not ascend", i);
    }
  }
  return absl::OkStatus();
}

Status ValidateNumbers(std::span<const uint32_t> words, const PageHead& head) {
  const uint32_t* rows = words.data() + kRowsAt;
  for (uint32_t i = 0; i < head.row_count; ++i) {
    if (KILN_ROW_KIND(rows[i]) != KILN_ROW_RULE) continue;
    const uint32_t number = KILN_ROW_NUMBER(rows[i]);
    const bool known =
        number < KILN_FIRST_RULE ? number <= KILN_SPECIAL_UNCLEAR : number - KILN_FIRST_RULE < head.rule_count;
    if (!known) return Damaged("row {} has rule {} of {}", i, number, head.rule_count);
  }
  return absl::OkStatus();
}

bool IsValueOk(uint8_t kind, uint8_t reg, uint8_t registers) {
  switch (kind) {
    case KILN_VALUE_SAME:
    case KILN_VALUE_AT_CFA:
    case KILN_VALUE_CFA:
    case KILN_VALUE_LOST: return true;
    case KILN_VALUE_REGISTER:
    case KILN_VALUE_DEREF:
    case KILN_VALUE_OF_REGISTER: return reg < registers;
    default: return false;
  }
}

bool IsRuleOk(const kiln_rule& rule, uint8_t registers) {
  const bool other_ok =
      rule.other_kind == KILN_VALUE_SAME || rule.other_kind == KILN_VALUE_AT_CFA || rule.other_kind == KILN_VALUE_LOST;
  return rule.cfa_kind <= KILN_CFA_INDEXED && rule.cfa_register < registers && rule.cfa_index < registers &&
         IsValueOk(rule.fp_kind, rule.fp_register, registers) && IsValueOk(rule.ra_kind, rule.ra_register, registers) &&
         other_ok && (rule.flags & ~(KILN_RULE_DERIVED | KILN_RULE_SIGNAL_FRAME)) == 0;
}

}  // namespace

Status ValidatePage(std::span<const uint32_t> words, uint16_t machine) {
  uint8_t registers = 0;
  switch (machine) {
    case EM_X86_64: registers = KILN_X86_WORDS; break;
    case EM_AARCH64: registers = KILN_ARM64_WORDS; break;
    default: return Error(absl::StatusCode::kUnimplemented, "there are no unwind tables for machine {}", machine);
  }
  if (words.size() < kMinPageWords || words.size() > kMaxPageWords) return Damaged("a page of {} words", words.size());
  const PageHead head = HeadOf(words);
  if (head.row_count == 0 || head.row_count > words.size() - kRowsAt) {
    return Damaged("a page of {} words with {} rows", words.size(), head.row_count);
  }
  if (head.rule_count > 0 && (head.rules_at < kRowsAt + head.row_count || head.rules_at > words.size() ||
                              head.rule_count > (words.size() - head.rules_at) / KILN_RULE_WORDS)) {
    return Damaged("a page of {} words with {} rules at {}", words.size(), head.rule_count, head.rules_at);
  }
  KILN_RETURN_IF_ERROR(ValidateBlocks(words, head));
  KILN_RETURN_IF_ERROR(ValidateNumbers(words, head));
  for (uint32_t i = 0; i < head.rule_count; ++i) {
    if (!IsRuleOk(RuleAt(words, head.rules_at + size_t{i} * KILN_RULE_WORDS), registers)) {
      return Damaged("rule {} is of no known kind", i);
    }
  }
  return absl::OkStatus();
}

PageCounts CountRows(std::span<const uint32_t> words, uint16_t machine) {
  const PageHead head = HeadOf(words);
  PageCounts counts{.rows = head.row_count};
  for (const uint32_t row : words.subspan(kRowsAt, head.row_count)) {
    const uint32_t kind = KILN_ROW_KIND(row), number = KILN_ROW_NUMBER(row);
    if (kind == KILN_ROW_OTHER && machine == EM_X86_64) ++counts.derived;
    if (kind != KILN_ROW_RULE) continue;
    if (number == KILN_SPECIAL_INEXPRESSIBLE) ++counts.inexpressible;
    if (number < KILN_FIRST_RULE) continue;
    const kiln_rule rule = RuleAt(words, head.rules_at + size_t{number - KILN_FIRST_RULE} * KILN_RULE_WORDS);
    if ((rule.flags & KILN_RULE_DERIVED) != 0) ++counts.derived;
  }
  return counts;
}

}  // namespace kiln::agent
