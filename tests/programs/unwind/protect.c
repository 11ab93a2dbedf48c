// SPDX-License-Identifier: Apache-2.0
// Changes the protection of its own code while it runs: the page of `burn` becomes writable and executable, and then as
// it was, again and again, which splits and joins its mapping: burn ← calls_burn ← main.
#include <sys/mman.h>

#include "tests/programs/unwind/chain.h"

enum { kPageBytes = 4096 };

FRAME __attribute__((aligned(kPageBytes))) void burn(void) { BURN(); }

FRAME __attribute__((aligned(kPageBytes))) void calls_burn(void) {
  burn();
  STAY_IN_FRAME();
}

static void Protect(int protection) {
  if (mprotect((void*)((uintptr_t)burn & ~(uintptr_t)(kPageBytes - 1)), kPageBytes, protection) != 0) Die("mprotect");
}

int main(int argc, char** argv) {
  const int milliseconds = NumberArgument(argc, argv, 1, "protect CPU-MILLISECONDS");
  struct Budget budget = StartBudget(milliseconds);
  while (HasBudget(&budget)) {
    Protect(PROT_READ | PROT_WRITE | PROT_EXEC);
    for (int i = 0; i < 100; ++i) calls_burn();
    Protect(PROT_READ | PROT_EXEC);
    for (int i = 0; i < 100; ++i) calls_burn();
  }
  Report("protect", SpentNs(&budget));
}
