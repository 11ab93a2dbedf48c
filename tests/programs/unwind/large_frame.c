// SPDX-License-Identifier: Apache-2.0
// burn ← small ← huge ← large ← main. The frame of `large` is above 16 KiB, that of `huge` above 512 KiB: more than
// a packed row of an unwind table or one read of the stack may hold.
#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

FRAME void small(void) {
  burn();
  STAY_IN_FRAME();
}

FRAME void huge(void) {
  char local[600 << 10];
  local[0] = 1;
  __asm__ volatile("" : : "r"(local) : "memory");
  small();
  STAY_IN_FRAME();
}

FRAME void large(void) {
  char local[20 << 10];
  local[0] = 1;
  __asm__ volatile("" : : "r"(local) : "memory");
  huge();
  STAY_IN_FRAME();
}

int main(int argc, char** argv) {
  struct Budget budget = StartBudget(NumberArgument(argc, argv, 1, "large_frame CPU-MILLISECONDS"));
  while (HasBudget(&budget)) large();
  Report("large_frame", SpentNs(&budget));
}
