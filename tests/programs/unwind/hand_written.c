// SPDX-License-Identifier: Apache-2.0
// Assembly without call frame information, as hand-written routines have it:
// burn ← asm_pushes ← asm_subtracts ← asm_keeps_rbp ← asm_aligns ← main.
#include "tests/programs/unwind/chain.h"

#if !defined(__x86_64__)
#error "hand_written: no assembly for this processor"
#endif

FRAME void burn(void) { BURN(); }

void asm_aligns(void);
__asm__(
    ".pushsection .text\n"
    ".macro function name\n"
    ".globl \\name\n"
    ".type \\name, @function\n"
    "\\name:\n"
    ".endm\n"
    "function asm_pushes\n"
    "  push %rbx\n"
    "  push %r12\n"
    "  push %r13\n"
    "  call burn\n"
    "  pop %r13\n"
    "  pop %r12\n"
    "  pop %rbx\n"
    "  ret\n"
    ".size asm_pushes, . - asm_pushes\n"
    "function asm_subtracts\n"
    "  sub $0x1238, %rsp\n"
    "  test %rsp, %rsp\n"
    "  jz 1f\n"
    "  call asm_pushes\n"
    "1: add $0x1238, %rsp\n"
    "  ret\n"
    ".size asm_subtracts, . - asm_subtracts\n"
    "function asm_keeps_rbp\n"
    "  push %rbp\n"
    "  mov %rsp, %rbp\n"
    "  sub $48, %rsp\n"
    "  call asm_subtracts\n"
    "  leave\n"
    "  ret\n"
    ".size asm_keeps_rbp, . - asm_keeps_rbp\n"
    "function asm_aligns\n"
    "  push %rbp\n"
    "  mov %rsp, %rbp\n"
    "  push %rbx\n"
    "  and $-64, %rsp\n"
    "  sub $128, %rsp\n"
    "  call asm_keeps_rbp\n"
    "  lea -8(%rbp), %rsp\n"
    "  pop %rbx\n"
    "  pop %rbp\n"
    "  ret\n"
    ".size asm_aligns, . - asm_aligns\n"
    ".popsection\n");

int main(int argc, char** argv) {
  struct Budget budget = StartBudget(NumberArgument(argc, argv, 1, "hand_written CPU-MILLISECONDS"));
  while (HasBudget(&budget)) asm_aligns();
  Report("hand_written", SpentNs(&budget));
}
