// SPDX-License-Identifier: Apache-2.0
// The walk's steps by extended rules (bpf/walk_rule.bpf.h), each kind on a page made by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "agent/unwind/table_page.h"
#include "agent/unwind/testing/page.h"
#include "agent/unwind/testing/replay_process.h"

#if defined(KILN_X86)

namespace kiln::agent {
namespace {

using testing::At;
using ::testing::ElementsAre;
using testing::MakePage;
using testing::ReplayProcess;
using testing::ReturnTo;
using testing::RuleRow;

constexpr uint64_t kCode = 0x400000;
constexpr uint64_t kStack = 0x7ffff0000000;

// CFA = SP + 8, return address below it, all else unchanged: what a plain row says as well.
kiln_rule Plain(int32_t cfa_offset = 8) {
  return {.cfa_kind = KILN_CFA_REGISTER,
          .cfa_register = KILN_X86_SP,
          .ra_kind = KILN_VALUE_AT_CFA,
          .cfa_offset = cfa_offset,
          .ra_offset = -8};
}
// Ends in a frame whose CFA is in `reg`: by the value it has there.
kiln_rule CfaFrom(uint8_t reg) {
  kiln_rule rule = Plain(0);
  rule.cfa_register = reg;
  return rule;
}

class WalkRulesTest : public ::testing::Test {
 protected:
  // Rule i holds for 16 bytes from Place(i) on.
  static uint64_t Place(size_t rule) { return kCode + rule * 16; }
  void SetRules(const std::vector<kiln_rule>& rules, uint8_t tracked = KILN_NO_REGISTER) {
    std::vector<testing::PlacedRow> rows;
    for (size_t i = 0; i < rules.size(); ++i) {
      rows.push_back(RuleRow(static_cast<uint16_t>(i * 16), static_cast<uint32_t>(KILN_FIRST_RULE + i)));
    }
    const std::vector<uint32_t> page = MakePage(rows, rules);
    ASSERT_TRUE(ValidatePage(page).ok()) << ValidatePage(page);
    process_.AddCode(kCode, kCode + 0x10000, process_.AddTable({page}, tracked));
    process_.regs.ip = kCode;
    process_.regs.sp = kStack;
  }

  ReplayProcess process_;
};

TEST_F(WalkRulesTest, CfaFromAnyRegisterOfAnInterruptedFrame) {
  SetRules({CfaFrom(KILN_X86_R10)});
  process_.regs.r10 = kStack + 0x20;
  process_.AddMemory(kStack, {1, 2, 3, 0});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
}

TEST_F(WalkRulesTest, CfaFromACallerSavedRegisterThatItsOwnCalleesLeaveAlone) {
  SetRules({Plain(), CfaFrom(KILN_X86_R10)});
  process_.regs.r10 = kStack + 0x20;
  process_.AddMemory(kStack, {Place(1) + 1, 2, 3, 0});
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(walked.frames, ElementsAre(At(kCode), ReturnTo(Place(1) + 1)));
}

TEST_F(WalkRulesTest, CfaFromACalleeSavedRegisterThatIsNotTrackedIsLost) {
  SetRules({Plain(), CfaFrom(KILN_X86_BX)});
  process_.regs.bx = kStack + 0x20;
  process_.AddMemory(kStack, {Place(1) + 1, 2, 3, 0});
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_REGISTER_LOST);
  EXPECT_THAT(walked.frames, ElementsAre(At(kCode), ReturnTo(Place(1) + 1)));
}

TEST_F(WalkRulesTest, CfaBehindAPointer) {
  kiln_rule rule = CfaFrom(KILN_X86_BP);  // stack realignment: *(RBP - 8) + 0x10
  rule.cfa_kind = KILN_CFA_DEREF;
  rule.cfa_offset = -8;
  rule.cfa_second = 0x10;
  SetRules({rule});
  process_.regs.bp = kStack + 0x18;
  process_.AddMemory(kStack, {1, 2, kStack + 0x20, 3, 4, /* CFA - 8 */ 0});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
  process_.regs.bp = kStack - 0x100;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_READ_FAULT);
}

// *(RSP + 8 * R9 + 0x10) + 0x10
TEST_F(WalkRulesTest, CfaBehindAFrameOfALengthInARegister) {
  kiln_rule rule = Plain(0x10);
  rule.cfa_kind = KILN_CFA_INDEXED;
  rule.cfa_index = KILN_X86_R9;
  rule.cfa_second = 0x10;
  SetRules({rule});
  process_.regs.r9 = 2;
  process_.AddMemory(kStack, {1, 2, 3, 4, kStack + 0x20, /* CFA - 8 */ 0});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
  process_.regs.r9 = 0x100000;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_READ_FAULT);
}

TEST_F(WalkRulesTest, PltEntriesHavePushedFromAByteOn) {
  kiln_rule rule = Plain(8);
  rule.cfa_kind = KILN_CFA_PLT;
  rule.cfa_second = 11;
  SetRules({rule, Plain(), Plain()});
  process_.AddMemory(kStack, {Place(1), Place(2), 0, 0});
  for (uint64_t byte = 0; byte < 16; ++byte) {
    process_.regs.ip = kCode + byte;
    const auto walked = process_.Walk();
    EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
    // The return address below the CFA: the first word, or the second behind what the entry has pushed.
    ASSERT_GE(walked.frames.size(), 2u);
    EXPECT_EQ(walked.frames[1], ReturnTo(byte < 11 ? Place(1) : Place(2))) << byte;
  }
}

// The kinds of the caller's frame pointer: each makes `expected` of what is set below.
struct ValueCase {
  const char* name;
  uint8_t kind;
  uint8_t reg;
  int32_t offset;
  uint64_t expected;
};
class FramePointerRuleTest : public WalkRulesTest, public ::testing::WithParamInterface<ValueCase> {};

TEST_P(FramePointerRuleTest, GivesTheCallersFramePointer) {
  kiln_rule rule = Plain(0x10);
  rule.fp_kind = GetParam().kind;
  rule.fp_register = GetParam().reg;
  rule.fp_offset = GetParam().offset;
  // The caller's CFA is its frame pointer, with the return address below.
  SetRules({rule, CfaFrom(KILN_X86_BP)});
  process_.regs.bp = kStack + 0x100;
  process_.regs.bx = kStack + 0x200;
  std::vector<uint64_t> stack(0x100, 0xbad);
  const auto set = [&](uint64_t address, uint64_t word) { stack[(address - kStack) / 8] = word; };
  set(kStack, kStack + 0x300);          // CFA - 16
  set(kStack + 0x8, Place(1) + 1);      // CFA - 8: return address
  set(kStack + 0x208, kStack + 0x400);  // *(RBX + 8)
  set(GetParam().expected - 8, 0);
  process_.AddMemory(kStack, stack);
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(walked.frames, ElementsAre(At(kCode), ReturnTo(Place(1) + 1)));
}
INSTANTIATE_TEST_SUITE_P(Kinds, FramePointerRuleTest,
                         ::testing::Values(ValueCase{"Same", KILN_VALUE_SAME, 0, 0, kStack + 0x100},
                                           ValueCase{"AtCfa", KILN_VALUE_AT_CFA, 0, -16, kStack + 0x300},
                                           ValueCase{"Cfa", KILN_VALUE_CFA, 0, 0x70, kStack + 0x80},
                                           ValueCase{"Register", KILN_VALUE_REGISTER, KILN_X86_BX, 0, kStack + 0x200},
                                           ValueCase{"Deref", KILN_VALUE_DEREF, KILN_X86_BX, 8, kStack + 0x400},
                                           ValueCase{"OfRegister", KILN_VALUE_OF_REGISTER, KILN_X86_BX, 0x50,
                                                     kStack + 0x250}),
                         [](const auto& param_info) { return param_info.param.name; });

TEST_F(WalkRulesTest, ReturnAddressInARegister) {
  // A leaf that keeps its return address in RDX, and one that has it behind RDX.
  kiln_rule in_register = Plain(0);
  in_register.ra_kind = KILN_VALUE_REGISTER;
  in_register.ra_register = KILN_X86_DX;
  in_register.ra_offset = 0;
  kiln_rule behind_register = in_register;
  behind_register.ra_kind = KILN_VALUE_DEREF;
  behind_register.ra_offset = 8;
  SetRules({in_register, behind_register, Plain()});
  process_.AddMemory(kStack, {0, Place(2) + 2});
  process_.regs.dx = Place(2) + 1;
  EXPECT_THAT(process_.Walk().frames, ElementsAre(At(kCode), ReturnTo(Place(2) + 1)));
  process_.regs.ip = Place(1);
  process_.regs.dx = kStack;
  EXPECT_THAT(process_.Walk().frames, ElementsAre(At(Place(1)), ReturnTo(Place(2) + 2)));
}

TEST_F(WalkRulesTest, AFrameThatWasLeftAlreadyMakesProgressOnceOnly) {
  // CFA = SP is right while the return address is in a register (vfork's child has taken it off the stack) …
  kiln_rule rule = Plain(0);
  rule.ra_kind = KILN_VALUE_OF_REGISTER;
  rule.ra_register = KILN_X86_SP;
  rule.ra_offset = kCode + 1 - 0x10000;
  SetRules({rule});
  // … so that the frame after it may not say so again.
  process_.regs.sp = 0x10000;
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_NO_PROGRESS);
  EXPECT_THAT(walked.frames, ElementsAre(At(kCode), ReturnTo(kCode + 1)));
}

TEST_F(WalkRulesTest, ACfaBelowTheStackPointerIsNoProgress) {
  SetRules({CfaFrom(KILN_X86_BX)});
  process_.AddMemory(kStack - 0x100, std::vector<uint64_t>(0x100, kCode + 1));
  process_.regs.bx = kStack - 8;
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_NO_PROGRESS);
}

TEST_F(WalkRulesTest, WhatIsLostEndsTheWalkThatNeedsIt) {
  kiln_rule lost_fp = Plain(), lost_ra = Plain(), same_ra = Plain(), fp_from_lost = Plain();
  lost_fp.fp_kind = KILN_VALUE_LOST;
  lost_ra.ra_kind = KILN_VALUE_LOST;
  same_ra.ra_kind = KILN_VALUE_SAME;  // x86-64 has no register for it
  fp_from_lost.fp_kind = KILN_VALUE_REGISTER;
  fp_from_lost.fp_register = KILN_X86_BX;
  SetRules({lost_fp, lost_ra, same_ra, Plain(), fp_from_lost});
  process_.AddMemory(kStack, {Place(4) + 1, 0});
  for (const size_t rule : {0, 1, 2}) {
    process_.regs.ip = Place(rule);
    EXPECT_EQ(process_.Walk().stop, KILN_STOP_REGISTER_LOST) << rule;
  }
  process_.regs.ip = Place(3);
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_REGISTER_LOST);
  EXPECT_THAT(walked.frames, ElementsAre(At(Place(3)), ReturnTo(Place(4) + 1)));
}

TEST_F(WalkRulesTest, DerivedRulesAreCounted) {
  kiln_rule derived = Plain();
  derived.flags = KILN_RULE_DERIVED;
  SetRules({derived, Plain()});
  process_.AddMemory(kStack, {Place(1) + 1, Place(0) + 1, 0});
  EXPECT_EQ(process_.Walk().derived, 2u);
}

// The tracked register, R12 here: its value is known in callers as long as every row on the way says where it is.
class TrackedRegisterTest : public WalkRulesTest {
 protected:
  // Rules 0 … 3: leave R12 as it is; find it at CFA - 16; lose it; need it for the CFA.
  void SetUp() override {
    kiln_rule at_cfa = Plain(0x10), lost = Plain();
    at_cfa.other_kind = KILN_VALUE_AT_CFA;
    at_cfa.other_offset = -16;
    lost.other_kind = KILN_VALUE_LOST;
    SetRules({Plain(), at_cfa, lost, CfaFrom(KILN_X86_R12)}, KILN_X86_R12);
  }
};

TEST_F(TrackedRegisterTest, IsKnownWhileNothingChangesIt) {
  process_.regs.r12 = kStack + 0x20;
  process_.AddMemory(kStack, {Place(0) + 1, Place(3) + 1, 0xbad, 0});
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_ROOT);
  EXPECT_THAT(walked.frames, ElementsAre(At(kCode), ReturnTo(Place(0) + 1), ReturnTo(Place(3) + 1)));
}

TEST_F(TrackedRegisterTest, IsReadWhereACalleeSavedIt) {
  process_.regs.ip = Place(1);
  process_.regs.r12 = 0xbad;
  process_.AddMemory(kStack, {/* R12 */ kStack + 0x20, Place(3) + 1, 0xbad, 0});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
}

TEST_F(TrackedRegisterTest, IsKnownAgainBelowAFrameThatSavedItAfterItWasLost) {
  process_.regs.ip = Place(2);
  process_.AddMemory(kStack, {Place(1) + 1, /* R12 */ kStack + 0x30, Place(3) + 1, 0xbad, 0xbad, 0});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
}

TEST_F(TrackedRegisterTest, OnceLostStaysLost) {
  process_.regs.ip = Place(2);
  process_.regs.r12 = kStack + 0x20;
  process_.AddMemory(kStack, {Place(0) + 1, Place(3) + 1, 0xbad, 0});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_REGISTER_LOST);
}

TEST_F(TrackedRegisterTest, IsLostInCodeThatTracksAnother) {
  kiln_rule need = CfaFrom(KILN_X86_R12);
  const std::vector<uint32_t> page = MakePage({RuleRow(0, KILN_FIRST_RULE)}, {need});
  const std::vector<uint32_t> plain = MakePage({{.place = 0, .a = 1}});
  process_.AddCode(0x600000, 0x610000, process_.AddTable({plain}, KILN_X86_R13));
  process_.AddCode(0x700000, 0x710000, process_.AddTable({page}, KILN_X86_R12));
  process_.regs.ip = 0x600000;
  process_.regs.r12 = kStack + 0x10;
  process_.AddMemory(kStack, {0x700001, 0});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_REGISTER_LOST);
}

// A signal frame as the kernel makes it: struct ucontext, of which the registers begin at byte 40.
class SignalFrameTest : public WalkRulesTest {
 protected:
  static constexpr uint64_t kContext = 0x7fffe0000000;

  kiln_rule SignalRule() {
    kiln_rule rule = Plain(0);
    rule.cfa_kind = KILN_CFA_SIGNAL;
    rule.flags = KILN_RULE_SIGNAL_FRAME;
    return rule;
  }
  // The order of struct sigcontext. Each register holds 0x100 * its place, but for these three.
  std::vector<uint64_t> Context(uint64_t bp, uint64_t sp, uint64_t ip) {
    std::vector<uint64_t> words(5);
    for (uint64_t i = 0; i < 17; ++i) words.push_back(0x100 * (i + 1));
    words[5 + 10] = bp;
    words[5 + 15] = sp;
    words[5 + 16] = ip;
    return words;
  }
};

TEST_F(SignalFrameTest, TheInterruptedFrameHasAllItsRegisters) {
  // One rule per register: the CFA is found by it.
  const std::vector<std::pair<uint8_t, uint64_t>> values = {
      {KILN_X86_R8, 0x100},  {KILN_X86_R9, 0x200},  {KILN_X86_R10, 0x300}, {KILN_X86_R11, 0x400},
      {KILN_X86_R12, 0x500}, {KILN_X86_R13, 0x600}, {KILN_X86_R14, 0x700}, {KILN_X86_R15, 0x800},
      {KILN_X86_DI, 0x900},  {KILN_X86_SI, 0xa00},  {KILN_X86_BX, 0xc00},  {KILN_X86_DX, 0xd00},
      {KILN_X86_AX, 0xe00},  {KILN_X86_CX, 0xf00},  {KILN_X86_BP, 0xb008}};
  std::vector<kiln_rule> rules = {SignalRule()};
  for (const auto& [reg, value] : values) {
    rules.push_back(CfaFrom(reg));
    rules.back().cfa_offset = static_cast<int32_t>(0x10000 - value);
  }
  SetRules(rules);
  process_.regs.sp = kContext;
  for (size_t i = 0; i < values.size(); ++i) {
    process_.AddMemory(kContext, Context(0xb008, 0x8000, Place(i + 1)));
    process_.AddMemory(0x10000 - 8, {0});
    const auto walked = process_.Walk();
    EXPECT_EQ(walked.stop, KILN_STOP_ROOT) << i;
    // Not a return address: the instruction itself was interrupted, here the first of its row.
    EXPECT_THAT(walked.frames, ElementsAre(At(kCode), At(Place(i + 1)))) << i;
  }
}

TEST_F(SignalFrameTest, TheInterruptedStackMayLieBelow) {
  SetRules({SignalRule(), Plain()});  // the handler ran on another stack above
  process_.regs.sp = kContext;
  process_.AddMemory(kContext, Context(0, 0x1000, Place(1)));
  process_.AddMemory(0x1000, {0});
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_ROOT);
}

TEST_F(SignalFrameTest, ASignalFrameThatInterruptedItselfEndsAtTheDepthLimit) {
  SetRules({SignalRule()});
  process_.regs.sp = kContext;
  process_.AddMemory(kContext, Context(0, kContext, kCode));
  const auto walked = process_.Walk();
  EXPECT_EQ(walked.stop, KILN_STOP_DEPTH_LIMIT);
  EXPECT_EQ(walked.frames.size(), size_t{KILN_MAX_USER_FRAMES});
}

TEST_F(SignalFrameTest, AnUnreadableContextIsAReadFault) {
  SetRules({SignalRule()});
  process_.regs.sp = kContext;
  std::vector<uint64_t> words = Context(0, 0x1000, Place(1));
  words.pop_back();
  process_.AddMemory(kContext, words);
  EXPECT_EQ(process_.Walk().stop, KILN_STOP_READ_FAULT);
}

}  // namespace
}  // namespace kiln::agent

#endif
