// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/derive_flow.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/registers.h"

namespace kiln::symbolizer {
namespace {

using ::testing::ElementsAre;

constexpr ElfAddress kBegin(0x10000);

std::vector<std::byte> FromHex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return bytes;
}

std::string Name(uint8_t reg) {
  return reg == KILN_X86_SP ? "sp" : reg == KILN_X86_BP ? "bp" : fmt::format("r{}", reg);
}

// CFA, then where RBP is if it is not unchanged, then the return address if it is not at CFA - 8.
std::string Text(const FrameState& state) {
  const kiln_rule rule = state.Rule();
  if (IsSpecial(rule, KILN_SPECIAL_ROOT)) return "root";
  if (IsSpecial(rule, KILN_SPECIAL_UNCLEAR)) return "no frame";
  EXPECT_EQ(rule.flags, KILN_RULE_DERIVED);
  std::string text = rule.cfa_kind == KILN_CFA_DEREF
                         ? fmt::format("*({}{:+}){:+}", Name(rule.cfa_register), rule.cfa_offset, rule.cfa_second)
                         : fmt::format("{}{:+}", Name(rule.cfa_register), rule.cfa_offset);
  if (rule.fp_kind == KILN_VALUE_AT_CFA) text += fmt::format(" bp at {}", rule.fp_offset);
  if (rule.fp_kind == KILN_VALUE_DEREF) text += fmt::format(" bp at {}{:+}", Name(rule.fp_register), rule.fp_offset);
  if (rule.fp_kind == KILN_VALUE_LOST) text += " bp lost";
  if (rule.ra_kind == KILN_VALUE_REGISTER) text += " ra in " + Name(rule.ra_register);
  if (rule.ra_kind == KILN_VALUE_AT_CFA && rule.ra_offset != -8) text += fmt::format(" ra at {}", rule.ra_offset);
  return text;
}

struct Start {
  std::vector<uint32_t> known = {0};
  std::vector<uint32_t> likely = {};
  std::vector<std::pair<uint32_t, uint32_t>> table_targets = {};
};

// "offset: what holds" wherever it changes.
std::vector<std::string> Derive(std::string_view hex, const Start& start = {}) {
  const std::vector<std::byte> code = FromHex(hex);
  CodeFlow flow(SweepCode(code, kBegin, start.known),
                {.known = start.known, .likely = start.likely, .table_targets = start.table_targets, .code = code});
  flow.Run();
  std::vector<std::string> rows;
  std::string last;
  flow.Visit([&](const CodeFlow::Stretch& stretch) {
    const std::string text = stretch.state != nullptr ? Text(*stretch.state) : UnclearText(stretch.reason);
    if (text != last) rows.push_back(fmt::format("{:x}: {}", stretch.begin, text));
    last = text;
  });
  return rows;
}

std::string NoFrame(std::string_view offset) { return fmt::format("{}: {}", offset, UnclearText(Unclear::kNoFrame)); }

TEST(DeriveTest, CountsPushesAndPops) {
  // push rbx; sub rsp, 24; nop; add rsp, 24; pop rbx; ret
  EXPECT_THAT(Derive("534883ec18904883c4185bc3"),
              ElementsAre("0: sp+8", "1: sp+16", "5: sp+40", "a: sp+16", "b: sp+8"));
}

TEST(DeriveTest, UsesAFramePointer) {
  // push rbp; mov rbp, rsp; sub rsp, 64; call elsewhere; leave; ret
  EXPECT_THAT(Derive("554889e54883ec40e8fb0f0000c9c3"),
              ElementsAre("0: sp+8", "1: sp+16", "4: bp+16 bp at -16", "e: sp+8"));
}

TEST(DeriveTest, FollowsTheCallersRbp) {
  // push rbp; xor ebp, eax; pop rbp; ret
  EXPECT_THAT(Derive("5531c55dc3"), ElementsAre("0: sp+8", "1: sp+16", "3: sp+16 bp at -16", "4: sp+8"));
  // mov ebp, edi; ret
  EXPECT_THAT(Derive("89fdc3"), ElementsAre("0: sp+8", "2: sp+8 bp lost"));
}

TEST(DeriveTest, FindsTheFrameOfAnAlignedStack) {
  // mov rax, rsp; sub rsp, 256; and rsp, -64; mov [rsp + 200], rax; xor eax, eax; mov rsp, [rsp + 200]; ret
  EXPECT_THAT(Derive("4889e04881ec000100004883e4c048898424c800000031c0488ba424c8000000c3"),
              ElementsAre("0: sp+8", "a: sp+264", "e: r10+8", "16: *(sp+200)+8", "20: sp+8"));
}

TEST(DeriveTest, FindsTheFrameOfARealignedFunction) {
  // lea r10, [rsp + 8]; and rsp, -32; push [r10 - 8]; push rbp; mov rbp, rsp; push r10; sub rsp, 40;
  // mov r10, [rbp - 8]; leave; lea rsp, [r10 - 8]; ret
  EXPECT_THAT(Derive("4c8d5424084883e4e041ff72f8554889e541524883ec284c8b55f8c9498d62f8c3"),
              ElementsAre("0: sp+8", "9: r7+0", "11: r7+0 bp at sp+0", "13: *(sp+0)+0 bp at sp+8",
                          "17: *(sp+40)+0 bp at sp+48", "1c: r7+0", "20: sp+8"));
}

TEST(DeriveTest, FollowsAnExchangeOfTheStackPointer) {
  // mov rax, rsp; lea rdx, [rsp - 64]; xchg rsp, rdx; nop; mov rsp, rax; ret
  EXPECT_THAT(Derive("4889e0488d5424c04887d4904889c4c3"), ElementsAre("0: sp+8", "b: sp+72", "f: sp+8"));
}

TEST(DeriveTest, KeepsTheFramePointerWhereTheStackPointerIsMovedByAnUnknownAmount) {
  // push rbp; mov rbp, rsp; sub rsp, rdi; nop; leave; ret
  EXPECT_THAT(Derive("554889e54829fc90c9c3"), ElementsAre("0: sp+8", "1: sp+16", "4: bp+16 bp at -16", "9: sp+8"));
}

TEST(DeriveTest, GivesUpFunctionsThatContradictThemselves) {
  // push rbx; nop; ret
  EXPECT_THAT(Derive("5390c3"), ElementsAre(std::string("0: ") + UnclearText(Unclear::kReturnDepth)));
  // add rsp, 16; push rax; ret
  EXPECT_THAT(Derive("4883c41050c3"), ElementsAre(std::string("0: ") + UnclearText(Unclear::kAboveFrame)));
  // test edi, edi; je 1f; push rbx; 1: nop; ret
  EXPECT_THAT(Derive("85ff74015390c3"), ElementsAre(std::string("0: ") + UnclearText(Unclear::kJoin)));
  // push rbx; jmp elsewhere
  EXPECT_THAT(Derive("53e9fb0f0000"), ElementsAre(std::string("0: ") + UnclearText(Unclear::kTailDepth)));
}

TEST(DeriveTest, FollowsBranches) {
  // test edi, edi; je 1f; push rbx; nop; pop rbx; 1: ret
  EXPECT_THAT(Derive("85ff740353905bc3"), ElementsAre("0: sp+8", "5: sp+16", "7: sp+8"));
  // push rbx; pop rbx; jmp elsewhere
  EXPECT_THAT(Derive("535be9fb0f0000"), ElementsAre("0: sp+8", "1: sp+16", "2: sp+8"));
}

TEST(DeriveTest, EndsAtCallsThatDontReturn) {
  // push rbx; call 2f; push rbx; nop; pop rbx; ret; int3 …; 2: ud2
  // Behind the call begins another function, and its beginning is known by its end.
  EXPECT_THAT(Derive("53e80a00000053905bc3cccccccccccc0f0b"),
              ElementsAre("0: sp+8", "1: sp+16", "6: sp+8", "7: sp+16", "9: sp+8"));
}

TEST(DeriveTest, FindsFunctionsBehindPadding) {
  // push rbx; pop rbx; ret; nop …; push rbp; nop; pop rbp; ret
  EXPECT_THAT(Derive("535bc366662e0f1f840000000000669055905dc3"),
              ElementsAre("0: sp+8", "1: sp+16", "2: sp+8", "11: sp+16", "13: sp+8"));
}

TEST(DeriveTest, EndsAtTheOutermostFrame) {
  // xor ebp, ebp; mov rdi, rsp; and rsp, -16; call elsewhere; hlt
  EXPECT_THAT(Derive("31ed4889e74883e4f0e8fb0f0000f4"), ElementsAre("0: sp+8", "2: root"));
  // As clone does: in the child, xor ebp, ebp; pop rdi; call [r9]; in the parent, ret
  EXPECT_THAT(Derive("4883ee0848890e0f0585c0750731ed5f41ffd1f4c3"), ElementsAre("0: sp+8", "f: root", "14: sp+8"));
}

TEST(DeriveTest, FollowsTheReturnAddressWhereArgumentsAreTakenOffTheStack) {
  // push rbp; mov rbp, rsp; mov rsp, rbp; pop rbp; pop rcx; lea rsp, [rsp + rdx * 8]; push rcx; ret
  EXPECT_THAT(
      Derive("554889e54889ec5d59488d24d451c3"),
      ElementsAre("0: sp+8", "1: sp+16", "4: bp+16 bp at -16", "8: sp+8", "9: sp+0", "d: sp+0 ra in r11", "e: sp+8"));
  // mov r10, [rsp]; mov [rsp + 8], r10; add rsp, 8; jmp elsewhere
  EXPECT_THAT(Derive("4c8b14244c895424084883c408e9fb0f0000"), ElementsAre("0: sp+8", "d: sp+0"));
}

// The end of such a move is where the way that moved meets one that didn't.
TEST(DeriveTest, FollowsAFrameThatIsMovedAsAWhole) {
  // test edi, edi; je 2f; mov r8, rsp; sub rsp, r10; xor r11d, r11d;
  // 1: mov r10, [r8 + r11 * 8]; mov [rsp + r11 * 8], r10; inc r11; cmp r11, r9; jl 1b;
  // lea r8, [rsp + r9 * 8]; mov r10, [r13]; 3: dec rbx; mov [r8 + rbx * 8], r10; jg 3b; 2: jmp rcx
  EXPECT_THAT(Derive("85ff742a4989e04c29d44531db4f8b14d84e8914dc49ffc34d39cb7cf0"
                     "4e8d04cc4d8b550048ffcb4d8914d87ff7ffe1"),
              ElementsAre("0: sp+8", "a: r9+8", NoFrame("d"), "1d: sp+8"));
}

// Or another function.
TEST(DeriveTest, FindsTheMovedFrameOnceNothingCanMoveTheReturnAddress) {
  // mov r8, rsp; sub rsp, r10; mov r10, [r8]; mov [rsp], r10; lea r8, [rsp + r9 * 8]; mov [r8], rdx; jmp elsewhere
  EXPECT_THAT(Derive("4989e04c29d44d8b104c8914244e8d04cc498910e9e70f0000"),
              ElementsAre("0: sp+8", "6: r9+8", "d: sp+8"));
  // mov r8, rsp; sub rsp, r10; mov r10, [r8]; xor r8d, r8d; mov [rsp], r10; nop; jmp elsewhere
  EXPECT_THAT(Derive("4989e04c29d44d8b104531c04c89142490e9ea0f0000"),
              ElementsAre("0: sp+8", "6: r9+8", "c: no frame", "10: sp+8"));
  // The old place is known to a register of which nothing is told: lea r9, [rsp + rax * 8]; mov r8, rsp; sub rsp, r10;
  // xor r8d, r8d; mov r10, [r9 - 8]; mov [rsp], r10; nop; jmp elsewhere
  EXPECT_THAT(Derive("4c8d0cc44989e04c29d44531c04d8b51f84c89142490e9e50f0000"),
              ElementsAre("0: sp+8", "a: r9+8", "d: no frame", "15: sp+8"));
}

TEST(DeriveTest, DoesNotTakeOtherStacksForMovedFrames) {
  // test edi, edi; je 2f; mov r8, rsp; mov rsp, rsi; xor r8d, r8d; 2: ret
  EXPECT_THAT(Derive("85ff74094989e04889f44531c0c3"), ElementsAre(std::string("0: ") + UnclearText(Unclear::kJoin)));
  // Nothing tells where the return address is: test edi, edi; je 2f; sub rsp, r10; 2: ud2
  EXPECT_THAT(Derive("85ff74034c29d40f0b"), ElementsAre(std::string("0: ") + UnclearText(Unclear::kJoin)));
}

TEST(DeriveTest, TakesAReturnToWhatWasPushedForAJump) {
  // push rcx; ret
  EXPECT_THAT(Derive("51c3"), ElementsAre("0: sp+8", "1: sp+16"));
}

TEST(DeriveTest, FollowsAFunctionThatActsForItsCaller) {
  // add rsp, 8; push rbp; mov rbp, rsp; push rdi; call elsewhere; mov rsp, rbp; pop rbp; push rcx; ret
  EXPECT_THAT(Derive("4883c408554889e557e8f20f00004889ec5d51c3"),
              ElementsAre("0: sp+8", "4: sp+0", "5: no frame", "8: bp+16 bp at -16", "12: sp+8", "13: sp+16"));
}

TEST(DeriveTest, FindsTheFrameThatAFunctionTakesDownForItsCaller) {
  // test ecx, ecx; je 1f; push rax; push rdi; call elsewhere; pop rax; 1: mov rsp, rbp; pop rbp; pop r8;
  // lea rsp, [rsp + rbx * 8]; push r8; ret
  EXPECT_THAT(Derive("85c974085057e8f50f0000584889ec5d4158488d24dc4150c3"),
              ElementsAre("0: bp+16 bp at -16", "10: sp+8", "12: sp+0", "16: sp+0 ra in r9", "18: sp+8"));
  // mov rsp, rbp; ud2: whose frame it is, nothing tells.
  EXPECT_THAT(Derive("4889ec0f0b"), ElementsAre(std::string("0: ") + UnclearText(Unclear::kAboveFrame)));
}

TEST(DeriveTest, EndsAtCallsWithATrapBehind) {
  // test edi, edi; je 1f; push rbp; mov rbp, rsp; call elsewhere; int3; 1: nop; ret
  EXPECT_THAT(Derive("85ff740a554889e5e8f30f0000cc90c3"),
              ElementsAre("0: sp+8", "5: sp+16", "8: bp+16 bp at -16", "e: sp+8"));
}

TEST(DeriveTest, TakesTheDepthOfTheWayWithoutArgumentsForCalleesThatPop) {
  // push rbp; mov rbp, rsp; sub rsp, 16; test edi, edi; je 1f; push rax; call elsewhere; 1: mov rbp, [rbp];
  // add rsp, 24; jmp elsewhere
  EXPECT_THAT(Derive("554889e54883ec1085ff740650e8ee0f0000488b6d004883c418e9e10f0000"),
              ElementsAre("0: sp+8", "1: sp+16", "4: bp+16 bp at -16", "16: sp+32", "1a: sp+8"));
}

TEST(DeriveTest, TellsWhatHoldsAtAFunctionThatIsReturnedTo) {
  // push rbx; ud2; int3; push rbp; pop rbp; ret
  EXPECT_THAT(Derive("530f0bcc555dc3", {.known = {0, 4}}),
              ElementsAre("0: sp+8", "1: sp+16", "3: sp+8", "5: sp+16", "6: sp+8"));
}

TEST(DeriveTest, TakesTheStateOfTheJumpForTargetsOfATable) {
  // push rbx; lea rdx, [rip + table]; movsxd rax, [rdx + rdi * 4]; add rax, rdx; jmp rax; 11: nop; pop rbx; ret;
  // 14: mov eax, edi; pop rbx; ret
  const std::string_view code = "53488d15f90f0000486304ba4801d0ffe0905bc389f85bc3";
  EXPECT_THAT(Derive(code, {.table_targets = {{0x11, 0xf}, {0x14, 0xf}}}),
              ElementsAre("0: sp+8", "1: sp+16", "13: sp+8", "14: sp+16", "17: sp+8"));
  const CodeSweep sweep = SweepCode(FromHex(code), kBegin, {});
  ASSERT_EQ(sweep.tables.size(), 1u);
  EXPECT_EQ(sweep.tables[0].jump, 0xfu);
  EXPECT_EQ(sweep.tables[0].table, ElfAddress(0x10000 + 8 + 0xff9));
  EXPECT_EQ(sweep.tables[0].base, sweep.tables[0].table);
}

TEST(DeriveTest, DecodesFromEachKnownBeginning) {
  // Data that looks like the beginning of an instruction, then push rbx; pop rbx; ret
  EXPECT_THAT(Derive("48b8535bc3", {.known = {2}}), ElementsAre("2: sp+8", "3: sp+16", "4: sp+8"));
}

TEST(DeriveTest, TakesAnyBytes) {
  std::string hex;
  for (int i = 0; i < 4096; ++i) hex += fmt::format("{:02x}", (i * 7919 >> 3) & 0xff);
  uint32_t end = 0;
  CodeFlow flow(SweepCode(FromHex(hex), kBegin, {}), {});
  flow.Run();
  flow.Visit([&](const CodeFlow::Stretch& stretch) {
    EXPECT_GE(stretch.begin, end);
    EXPECT_GT(stretch.end, stretch.begin);
    end = stretch.end;
  });
  EXPECT_LE(end, flow.sweep().size);
}

}  // namespace
}  // namespace kiln::symbolizer
