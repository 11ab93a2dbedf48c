// SPDX-License-Identifier: Apache-2.0
// Calls tiny functions of a library through the procedure linkage table, so that samples fall into its stubs:
// (tiny_a, tiny_b or their stubs) ← calls_out ← main.
#include "tests/programs/unwind/chain.h"

int tiny_a(int number);
int tiny_b(int number);

FRAME int calls_out(int rounds) {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) sum += tiny_a(i) + tiny_b(sum);
  return sum;
}

int main(int argc, char** argv) {
  struct Budget budget = StartBudget(NumberArgument(argc, argv, 1, "linkage CPU-MILLISECONDS"));
  int sum = 0;
  while (HasBudget(&budget)) sum += calls_out(100000);
  __asm__ volatile("" : : "r"(sum));
  Report("linkage", SpentNs(&budget));
}
