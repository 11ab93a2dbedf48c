// SPDX-License-Identifier: Apache-2.0
// burn ← lands ← main. `lands` is reached by jumps: main calls `enters`, which jumps to `hops`, which jumps to `lands`.
// Jumpers leave no frame.
#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

FRAME void lands(int number) {
  char local[72];
  __asm__ volatile("" : : "r"(local), "r"(number) : "memory");
  burn();
  STAY_IN_FRAME();
}

FRAME void hops(int number) { lands(number + 1); }
FRAME void enters(int number) { hops(number + 1); }

int main(int argc, char** argv) {
  struct Budget budget = StartBudget(NumberArgument(argc, argv, 1, "tail_call CPU-MILLISECONDS"));
  while (HasBudget(&budget)) enters(1);
  Report("tail_call", SpentNs(&budget));
}
