// SPDX-License-Identifier: Apache-2.0
// burn ← (odd ← even) × 20 ← main: two functions with frames of different sizes call each other.
#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

FRAME void odd(int left);

FRAME void even(int left) {
  char local[40];
  __asm__ volatile("" : : "r"(local) : "memory");
  odd(left - 1);
  STAY_IN_FRAME();
}

FRAME void odd(int left) {
  char local[200];
  __asm__ volatile("" : : "r"(local) : "memory");
  if (left > 1) {
    even(left - 1);
  } else {
    burn();
  }
  STAY_IN_FRAME();
}

int main(int argc, char** argv) {
  struct Budget budget = StartBudget(NumberArgument(argc, argv, 1, "mutual CPU-MILLISECONDS"));
  while (HasBudget(&budget)) even(40);
  Report("mutual", SpentNs(&budget));
}
