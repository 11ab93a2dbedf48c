// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "agent/unwind/testing/page.h"
#include "bpf/registers.h"

namespace kiln::agent {
namespace {

using testing::AnyRule;
using ::testing::HasSubstr;
using testing::kPageRowsAt;
using testing::MakePage;
using testing::RuleRow;
using testing::SetPage16;

constexpr size_t kFirstRow = offsetof(kiln_page, first_row);

// Rows in three blocks, one of them by a rule.
std::vector<uint32_t> GoodPage() {
  return MakePage({{.place = 0},
                   {.place = 4, .a = 2},
                   {.place = 255, .kind = KILN_ROW_FP, .a = 2, .b = 2},
                   RuleRow(256, KILN_FIRST_RULE),
                   RuleRow(300, KILN_SPECIAL_INEXPRESSIBLE),
                   {.place = 65535, .kind = KILN_ROW_OTHER, .a = 5}},
                  {AnyRule()});
}

TEST(TablePageTest, AcceptsWhatTheFormatAllows) {
  EXPECT_TRUE(ValidatePage(GoodPage()).ok()) << ValidatePage(GoodPage());
  EXPECT_TRUE(ValidatePage(MakePage({{.place = 0}})).ok());
  EXPECT_EQ(MakePage({{.place = 0}}).size(), size_t{kMinPageWords});
  EXPECT_TRUE(ValidatePage(testing::MakeLargePage(16000)).ok());
  for (uint32_t special = 0; special <= KILN_SPECIAL_UNCLEAR; ++special) {
    EXPECT_TRUE(ValidatePage(MakePage({RuleRow(0, special)})).ok());
  }
}

TEST(TablePageTest, RefusesOtherMachines) {
  EXPECT_TRUE(ValidatePage(GoodPage(), EM_AARCH64).ok());
  EXPECT_EQ(ValidatePage(GoodPage(), EM_386).code(), absl::StatusCode::kUnimplemented);
}

TEST(TablePageTest, RefusesWhatLeadsOutOfThePage) {
  struct Case {
    std::string message;
    std::function<void(std::vector<uint32_t>&)> damage;
  };
  const auto field = [](size_t offset, uint16_t value) {
    return [=](std::vector<uint32_t>& words) { SetPage16(words, offset, value); };
  };
  const size_t rows = offsetof(kiln_page, row_count), rules = offsetof(kiln_page, rule_count),
               rules_at = offsetof(kiln_page, rules_at);
  const std::vector<Case> cases = {
      {"0 words", [](auto& words) { words.clear(); }},
      {"133 words", [](auto& words) { words.resize(kMinPageWords - 1); }},
      {"16385 words", [](auto& words) { words.resize(kMaxPageWords + 1); }},
      {"1 rules at 139", [](auto& words) { words.pop_back(); }},
      {"with 0 rows", field(rows, 0)},
      {"with 65535 rows", field(rows, 65535)},
      {"with 15 rows", field(rows, 15)},
      {"2 rules", field(rules, 2)},
      {"65535 rules", field(rules, 65535)},
      {"rules at 138", field(rules_at, 138)},
      {"rules at 140", field(rules_at, 140)},
      {"rules at 65535", field(rules_at, 65535)},
      {"begins with row 0", field(kFirstRow, 0)},
      {"begins with row 2", field(kFirstRow, 2)},
      {"block 0 has the rows 1 to 0", field(kFirstRow + 2, 0)},
      {"block 0 has the rows 1 to 7", field(kFirstRow + 2, 7)},
      {"row 3 does not ascend", field(kFirstRow + 2, 4)},
      {"block 99 has the rows 5 to 65535", field(kFirstRow + 200, 65535)},
      {"block 254 has the rows 5 to 7", field(kFirstRow + 2 * 255, 7)},
      {"end with row 5", field(kFirstRow + 2 * 256, 5)},
      {"end with row 7", field(kFirstRow + 2 * 259, 7)},
      {"row 2 does not ascend", [](auto& words) { words[kPageRowsAt + 2] = KILN_ROW(4, KILN_ROW_SP, 1, 0); }},
      {"row 3 has rule 17 of 1", [](auto& words) { words[kPageRowsAt + 3] = KILN_ROW(0, KILN_ROW_RULE, 17, 0); }},
      {"row 0 has rule 5 of 1", [](auto& words) { words[kPageRowsAt] = KILN_ROW(0, KILN_ROW_RULE, 5, 0); }},
      {"row 0 has rule 4194303", [](auto& words) { words[kPageRowsAt] = ~0u; }},
  };
  for (const Case& test : cases) {
    std::vector<uint32_t> words = GoodPage();
    test.damage(words);
    const Status status = ValidatePage(words);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << test.message;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(test.message));
  }
}

TEST(TablePageTest, LooksAtTheRegistersThatARuleUses) {
  const auto validate = [](const std::function<void(kiln_rule&)>& change, uint16_t machine = EM_X86_64) {
    kiln_rule rule = AnyRule();
    change(rule);
    return ValidatePage(MakePage({RuleRow(0, KILN_FIRST_RULE)}, {rule}), machine).ok();
  };
  EXPECT_TRUE(validate([](kiln_rule& rule) { rule.fp_register = rule.ra_register = KILN_NO_REGISTER; }));
  EXPECT_FALSE(validate([](kiln_rule& rule) { rule.cfa_register = KILN_X86_WORDS; }));
  EXPECT_TRUE(validate([](kiln_rule& rule) { rule.cfa_register = KILN_X86_WORDS; }, EM_AARCH64));
  EXPECT_FALSE(validate([](kiln_rule& rule) { rule.cfa_register = KILN_ARM64_WORDS; }, EM_AARCH64));
  EXPECT_FALSE(validate([](kiln_rule& rule) { rule.cfa_index = KILN_X86_WORDS; }));
  for (const uint8_t kind : {KILN_VALUE_REGISTER, KILN_VALUE_DEREF, KILN_VALUE_OF_REGISTER}) {
    for (const uint8_t reg : {0, +KILN_X86_WORDS, +KILN_NO_REGISTER}) {
      EXPECT_EQ(validate([=](kiln_rule& rule) { rule.fp_kind = kind, rule.fp_register = reg; }), reg == 0);
      EXPECT_EQ(validate([=](kiln_rule& rule) { rule.ra_kind = kind, rule.ra_register = reg; }), reg == 0);
    }
  }
}

TEST(TablePageTest, RefusesUnknownKinds) {
  for (int kind = 0; kind < 256; ++kind) {
    const auto validate = [kind](uint8_t kiln_rule::*member) {
      kiln_rule rule = AnyRule();
      rule.*member = static_cast<uint8_t>(kind);
      return ValidatePage(MakePage({RuleRow(0, KILN_SPECIAL_ROOT)}, {rule})).ok();
    };
    EXPECT_EQ(validate(&kiln_rule::cfa_kind), kind <= KILN_CFA_INDEXED);
    EXPECT_EQ(validate(&kiln_rule::fp_kind), kind <= KILN_VALUE_OF_REGISTER);
    EXPECT_EQ(validate(&kiln_rule::ra_kind), kind <= KILN_VALUE_OF_REGISTER);
    EXPECT_EQ(validate(&kiln_rule::other_kind),
              kind == KILN_VALUE_SAME || kind == KILN_VALUE_AT_CFA || kind == KILN_VALUE_LOST);
    EXPECT_EQ(validate(&kiln_rule::flags), kind <= 3);
  }
}

TEST(TablePageTest, CountsRows) {
  kiln_rule derived = AnyRule();
  derived.flags = KILN_RULE_DERIVED;
  const std::vector<uint32_t> words = MakePage({{.place = 0},
                                                {.place = 1, .kind = KILN_ROW_OTHER},
                                                RuleRow(2, KILN_FIRST_RULE),
                                                RuleRow(3, KILN_FIRST_RULE + 1),
                                                RuleRow(4, KILN_SPECIAL_INEXPRESSIBLE),
                                                RuleRow(5, KILN_SPECIAL_NO_CFI)},
                                               {derived, AnyRule()});
  ASSERT_TRUE(ValidatePage(words).ok());
  const PageCounts x86 = CountRows(words, EM_X86_64), arm64 = CountRows(words, EM_AARCH64);
  EXPECT_EQ(x86.rows, 6u);
  EXPECT_EQ(x86.derived, 2u);
  EXPECT_EQ(arm64.derived, 1u);  // its rows of that kind mean something else
  EXPECT_EQ(x86.inexpressible, 1u);
}

}  // namespace
}  // namespace kiln::agent
