// SPDX-License-Identifier: Apache-2.0
// Exceptions on their way. With `destructors` the time goes to a destructor that runs while an exception passes:
// burn ← Guard::~Guard ← holds_guard ← tries ← main; the frames below `holds_guard`, which threw, are gone. With
// `throws` it goes to throwing itself, 30 frames deep: every sample has `tries` and `main` below whatever the unwinding
// library does.
#include <stdexcept>

#include "tests/programs/unwind/chain.h"

FRAME void burn() { BURN(); }

struct Guard {
  bool burns;
#if defined(__clang__)
  __attribute__((noinline, used))
#else
  __attribute__((noipa, used))
#endif
  ~Guard() {
    if (burns) burn();
    STAY_IN_FRAME();
  }
};

FRAME int throws(int frames) {
  if (frames == 0) throw std::runtime_error("on its way");
  const int sum = throws(frames - 1);
  STAY_IN_FRAME();
  return sum + 1;
}

FRAME int holds_guard(bool burns, int frames) {
  char local[56];
  __asm__ volatile("" : : "r"(local) : "memory");
  Guard guard = {burns};
  return throws(frames);
}

FRAME int tries(bool burns) {
  try {
    return holds_guard(burns, burns ? 3 : 30);
  } catch (const std::runtime_error&) {
    return -1;
  }
}

int main(int argc, char** argv) {
  const char* usage = "exceptions CPU-MILLISECONDS destructors|throws";
  const int milliseconds = NumberArgument(argc, argv, 1, usage);
  const bool burns = argc > 2 && strcmp(argv[2], "destructors") == 0;
  Budget budget = StartBudget(milliseconds);
  while (HasBudget(&budget)) tries(burns);
  Report("exceptions", SpentNs(&budget));
}
