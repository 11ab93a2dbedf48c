// SPDX-License-Identifier: Apache-2.0
// burn ← last ← descend × (DEPTH - 2) ← first ← main: DEPTH frames between burn and main. OTHER makes a program whose
// frames have other sizes.
#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

FRAME void last(void) {
  burn();
  STAY_IN_FRAME();
}

FRAME void descend(int frames) {
#if defined(OTHER)
  char local[264];
  __asm__ volatile("" : : "r"(local) : "memory");
#endif
  if (frames > 0) {
    descend(frames - 1);
  } else {
    last();
  }
  STAY_IN_FRAME();
}

FRAME void first(int depth) {
  if (depth > 2) {
    descend(depth - 3);
  } else {
    last();
  }
  STAY_IN_FRAME();
}

int main(int argc, char** argv) {
  const char* usage = "depth CPU-MILLISECONDS DEPTH";
  const int milliseconds = NumberArgument(argc, argv, 1, usage);
  const int depth = NumberArgument(argc, argv, 2, usage);
  struct Budget budget = StartBudget(milliseconds);
  while (HasBudget(&budget)) {
    if (depth == 1) {
      last();
    } else {
      first(depth);
    }
  }
  Report("depth", SpentNs(&budget));
}
