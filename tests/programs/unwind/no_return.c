// SPDX-License-Identifier: Apache-2.0
// burn ← leaves_by_jump ← ends_with_call ← main. The last instruction of `ends_with_call` is its call, so the return
// address belongs to the function behind it; whoever looks it up without moving back one byte names the wrong one, and
// unwinds by the wrong rule. Compiled so that functions keep their order and stand without gaps.
#include <setjmp.h>

#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

static jmp_buf start;

FRAME void comes_behind(void);

FRAME __attribute__((noreturn)) void leaves_by_jump(void) {
  if (__builtin_return_address(0) != (void*)comes_behind) {
    fprintf(stderr, "no_return: the compiler left a gap behind the call\n");
    exit(EXIT_FAILURE);
  }
  burn();
  longjmp(start, 1);
}

FRAME __attribute__((noreturn)) void ends_with_call(void) {
  char local[136];
  __asm__ volatile("" : : "r"(local) : "memory");
  leaves_by_jump();
}

FRAME void comes_behind(void) { STAY_IN_FRAME(); }

int main(int argc, char** argv) {
  static struct Budget budget;
  budget = StartBudget(NumberArgument(argc, argv, 1, "no_return CPU-MILLISECONDS"));
  setjmp(start);
  if (HasBudget(&budget)) ends_with_call();
  Report("no_return", SpentNs(&budget));
}
