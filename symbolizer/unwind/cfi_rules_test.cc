// SPDX-License-Identifier: Apache-2.0
// From states of frames to rules: what compilers, linkers and assembly programmers write.
#include "symbolizer/unwind/cfi_rules.h"

#include <gtest/gtest.h>

#include "symbolizer/testing/row_list.h"

namespace kiln::symbolizer {
namespace {

using testing::Bytes;
using testing::CfiBuilder;
using testing::Sleb;
using testing::TestCfi;
using testing::TestCie;
using testing::Uleb;
using testing::X86Rule;

constexpr uint64_t kCode = 0x1000;

std::string Breg(int reg, int64_t offset) { return Bytes({0x70 + reg}) + Sleb(offset); }
std::string Block(const std::string& expression) { return Uleb(expression.size()) + expression; }
std::string CfaExpression(const std::string& expression) { return Bytes({0x0f}) + Block(expression); }
std::string At(int reg, const std::string& expression) { return Bytes({0x10, reg}) + Block(expression); }
std::string Is(int reg, const std::string& expression) { return Bytes({0x16, reg}) + Block(expression); }

struct Result {
  kiln_rule rule;
  UnwindCounts counts;
};

// The rule at the begin of a function.
Result First(const std::string& instructions, const TestCie& cie = {}, uint16_t machine = EM_X86_64,
             uint64_t tracked = kNoDwarfRegister) {
  CfiBuilder builder(true, 0x2000);
  builder.AddFde(builder.AddCie(cie), kCode, 0x100, instructions);
  TestCfi cfi(builder, machine);
  if (tracked != kNoDwarfRegister) cfi.rows().Track(tracked);
  auto rows = cfi.RowsAt(kCode);
  return {.rule = rows[kCode], .counts = cfi.counts()};
}

TEST(CfiRules, CfaByDereference) {
  kiln_rule expected = X86Rule(KILN_X86_SP, 40);
  expected.cfa_kind = KILN_CFA_DEREF;
  expected.cfa_second = 8;
  EXPECT_EQ(First(CfaExpression(Breg(7, 40) + Bytes({0x06, 0x23, 8}))).rule, expected);
}

TEST(CfiRules, CfaByAnIndex) {
  kiln_rule expected = X86Rule(KILN_X86_SP, 8);
  expected.cfa_kind = KILN_CFA_INDEXED;
  expected.cfa_index = KILN_X86_R9;
  expected.cfa_second = 8;
  EXPECT_EQ(First(CfaExpression(Breg(7, 8) + Breg(9, 0) + Bytes({0x38, 0x1e, 0x22, 0x06, 0x23, 8}))).rule, expected);
}

TEST(CfiRules, StackRealignment) {
  // GCC: CFA = *(RBP - 8), RBP saved where RBP points.
  const kiln_rule rule = First(CfaExpression(Breg(6, -8) + Bytes({0x06})) + At(6, Breg(6, 0))).rule;
  EXPECT_EQ(rule.cfa_kind, KILN_CFA_DEREF);
  EXPECT_EQ(rule.cfa_register, KILN_X86_BP);
  EXPECT_EQ(rule.cfa_offset, -8);
  EXPECT_EQ(rule.fp_kind, KILN_VALUE_DEREF);
  EXPECT_EQ(rule.fp_register, KILN_X86_BP);
  EXPECT_EQ(rule.fp_offset, 0);
  EXPECT_EQ(rule.ra_kind, KILN_VALUE_AT_CFA);
  EXPECT_EQ(First(Bytes({0x0c, 10, 0})).rule, X86Rule(KILN_X86_R10, 0)) << "before it is saved";
}

TEST(CfiRules, Plt) {
  const kiln_rule rule =
      First(CfaExpression(Breg(7, 8) + Breg(16, 0) + Bytes({0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22}))).rule;
  EXPECT_EQ(rule.cfa_kind, KILN_CFA_PLT);
  EXPECT_EQ(rule.cfa_register, KILN_X86_SP);
  EXPECT_EQ(rule.cfa_offset, 8);
  EXPECT_EQ(rule.cfa_second, 11);
}

TEST(CfiRules, ExpressionsOfRegisters) {
  const auto fp = [](const std::string& instructions) { return First(instructions).rule; };
  EXPECT_EQ(fp(At(6, Bytes({0x40, 0x1c}))), X86Rule(KILN_X86_SP, 8, -16)) << "at CFA - 16";
  EXPECT_EQ(fp(Is(6, Bytes({0x23, 8}))).fp_kind, KILN_VALUE_CFA);
  EXPECT_EQ(fp(Is(6, Breg(9, 0))).fp_kind, KILN_VALUE_REGISTER);
  EXPECT_EQ(fp(Is(6, Breg(9, 4))).fp_kind, KILN_VALUE_OF_REGISTER);
  EXPECT_EQ(fp(Is(6, Breg(9, 4))).fp_offset, 4);
  EXPECT_EQ(fp(Is(6, Breg(9, 4) + Bytes({0x06}))).fp_kind, KILN_VALUE_DEREF);
  EXPECT_EQ(fp(Is(6, Breg(6, 0))), X86Rule(KILN_X86_SP, 8)) << "in itself";
  EXPECT_EQ(fp(Bytes({0x09, 6, 6})), X86Rule(KILN_X86_SP, 8)) << "in itself";
}

TEST(CfiRules, ReturnAddressInARegister) {
  // vfork pops it into RDI.
  const kiln_rule rule = First(Bytes({0x0e, 0, 0x09, 16, 5})).rule;
  EXPECT_EQ(rule.cfa_offset, 0);
  EXPECT_EQ(rule.ra_kind, KILN_VALUE_REGISTER);
  EXPECT_EQ(rule.ra_register, KILN_X86_DI);
}

TEST(CfiRules, NoReturnAddressIsTheRoot) {
  EXPECT_EQ(First(Bytes({0x07, 16})).rule, SpecialRule(KILN_SPECIAL_ROOT));
  EXPECT_EQ(First(Bytes({0x07, 16}) + CfaExpression(Bytes({0x1e}))).rule, SpecialRule(KILN_SPECIAL_ROOT))
      << "whatever else is said";
}

TEST(CfiRules, SignalFrameIsRestoredFromTheSavedState) {
  const TestCie cie{.augmentation = "zRS"};
  // As in the C library: registers lie in struct ucontext, which begins at RSP.
  const std::string instructions =
      CfaExpression(Breg(7, 160) + Bytes({0x06})) + At(6, Breg(7, 120)) + At(7, Breg(7, 160)) + At(16, Breg(7, 168));
  EXPECT_EQ(First(instructions, cie).rule, SignalTrampolineRule(*FindUnwindMachine(EM_X86_64)));
  const std::string deeper = CfaExpression(Breg(7, 168) + Bytes({0x06})) + At(7, Breg(7, 168)) + At(16, Breg(7, 176));
  EXPECT_EQ(First(deeper, cie).rule.cfa_offset, 8);
  EXPECT_EQ(First(deeper, cie).rule.cfa_kind, KILN_CFA_SIGNAL);
}

TEST(CfiRules, OtherSignalFramesKeepTheirRule) {
  kiln_rule expected = X86Rule(KILN_X86_SP, 8);
  expected.flags = KILN_RULE_SIGNAL_FRAME;
  EXPECT_EQ(First("", {.augmentation = "zRS"}).rule, expected);
}

TEST(CfiRules, StackPointerOfItsOwn) {
  // longjmp: everything is in registers.
  const kiln_rule rule = First(Bytes({0x09, 7, 8, 0x09, 6, 9, 0x09, 16, 1})).rule;
  EXPECT_EQ(rule.cfa_register, KILN_X86_R8);
  EXPECT_EQ(rule.cfa_offset, 0);
  EXPECT_EQ(rule.fp_register, KILN_X86_R9);
  EXPECT_EQ(rule.ra_register, KILN_X86_DX);
  EXPECT_EQ(First(Bytes({0x14, 7, 0})).rule, X86Rule(KILN_X86_SP, 8)) << "the CFA, said at length";
  EXPECT_EQ(First(Is(7, Bytes({0x23, 0}))).rule, X86Rule(KILN_X86_SP, 8)) << "the CFA, said at length";
}

TEST(CfiRules, WhatARuleCantHoldIsCountedByReason) {
  struct Case {
    std::string instructions;
    UnwindIssue issue;
  };
  const std::vector<Case> cases = {
      {CfaExpression(Breg(7, 8) + Breg(9, 0) + Bytes({0x22})), UnwindIssue::kCfaExpression},
      {CfaExpression(Bytes({0x37})), UnwindIssue::kCfaExpression},
      {Bytes({0x0c, 17, 8}), UnwindIssue::kCfaRegister},
      {Bytes({0x0e}) + Uleb(uint64_t{1} << 40), UnwindIssue::kOffset},
      {At(16, Bytes({0x06})), UnwindIssue::kReturnAddress},
      {Bytes({0x08, 16}), UnwindIssue::kReturnAddressMissing},
      {Bytes({0x09, 7, 8}), UnwindIssue::kStackPointer},
      {Bytes({0x14, 7, 2}), UnwindIssue::kStackPointer},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const Result result = First(cases[i].instructions);
    EXPECT_EQ(result.rule, SpecialRule(KILN_SPECIAL_INEXPRESSIBLE)) << i;
    EXPECT_EQ(result.counts[cases[i].issue], 1u) << i;
  }
}

TEST(CfiRules, UnusualReturnColumnIsInexpressible) {
  const Result result = First("", {.return_column = 15});
  EXPECT_EQ(result.rule, SpecialRule(KILN_SPECIAL_INEXPRESSIBLE));
  EXPECT_EQ(result.counts[UnwindIssue::kReturnColumn], 1u);
}

TEST(CfiRules, AFramePointerThatCantBeHeldIsLost) {
  const Result result = First(At(6, Bytes({0x06})));
  EXPECT_EQ(result.rule.cfa_kind, KILN_CFA_REGISTER);
  EXPECT_EQ(result.rule.fp_kind, KILN_VALUE_LOST);
  EXPECT_EQ(result.counts[UnwindIssue::kFramePointer], 1u);
}

TEST(CfiRules, TrackedRegister) {
  const auto first = [](const std::string& instructions) { return First(instructions, {}, EM_X86_64, 3); };
  EXPECT_EQ(first("").rule, X86Rule(KILN_X86_SP, 8));
  kiln_rule saved = X86Rule(KILN_X86_SP, 8);
  saved.other_kind = KILN_VALUE_AT_CFA;
  saved.other_offset = -24;
  EXPECT_EQ(first(Bytes({0x83, 3})).rule, saved);
  EXPECT_EQ(first(Bytes({0x83, 3, 0xc3})).rule, X86Rule(KILN_X86_SP, 8));
  EXPECT_EQ(first(Bytes({0x09, 3, 9})).rule.other_kind, KILN_VALUE_LOST);
  EXPECT_EQ(first(Bytes({0x09, 3, 9})).counts[UnwindIssue::kTracked], 1u);
  EXPECT_EQ(first(Bytes({0x07, 3})).rule.other_kind, KILN_VALUE_LOST);
  EXPECT_EQ(first(Bytes({0x07, 3})).counts[UnwindIssue::kTracked], 0u) << "undefined is what the file says";
}

TEST(CfiRules, Arm64LinkRegister) {
  const TestCie cie{.return_column = 30, .instructions = testing::kArm64Initial};
  const auto first = [&](const std::string& instructions) { return First(instructions, cie, EM_AARCH64).rule; };
  EXPECT_EQ(first(""), testing::Arm64Rule(KILN_ARM64_SP, 0));
  EXPECT_EQ(first(Bytes({0x09, 30, 30})), testing::Arm64Rule(KILN_ARM64_SP, 0));
  EXPECT_EQ(first(Bytes({0x09, 30, 16})).ra_register, 16);
  EXPECT_EQ(first(Bytes({0x07, 30})), SpecialRule(KILN_SPECIAL_ROOT));
}

}  // namespace
}  // namespace kiln::symbolizer
