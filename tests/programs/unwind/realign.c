// SPDX-License-Identifier: Apache-2.0
// Frames whose stack pointer is rounded: burn ← aligned_64 ← aligned_arguments ← aligned_variable ← main. With
// arguments on the stack or a frame of variable size the compiler keeps the way back in memory (a "dynamic realign
// argument pointer").
#include <alloca.h>

#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

FRAME void aligned_64(int number) {
  _Alignas(64) volatile int local[16];
  local[0] = number;
  __asm__ volatile("" : : "r"(local) : "memory");
  if (((uintptr_t)local & 63) != 0) abort();
  burn();
  STAY_IN_FRAME();
}

FRAME int aligned_arguments(int a, int b, int c, int d, int e, int f, int g, int h) {
  _Alignas(128) volatile int local[32];
  local[0] = a;
  __asm__ volatile("" : : "r"(local) : "memory");
  aligned_64(g);
  STAY_IN_FRAME();
  return a + b + c + d + e + f + g + h + local[0];
}

FRAME int aligned_variable(int size) {
  _Alignas(64) volatile int local[16];
  int sum = 0;
  for (int i = 1; i <= 3; ++i) {
    char* memory = alloca((size_t)(size * i));
    memory[0] = (char)i;
    local[i] = i;
    __asm__ volatile("" : : "r"(memory), "r"(local) : "memory");
    sum += aligned_arguments(size, 2, 3, 4, 5, 6, 7, memory[0]) + local[i];
    STAY_IN_FRAME();
  }
  return sum;
}

int main(int argc, char** argv) {
  struct Budget budget = StartBudget(NumberArgument(argc, argv, 1, "realign CPU-MILLISECONDS"));
  int sum = 0;
  while (HasBudget(&budget)) sum += aligned_variable(100);
  __asm__ volatile("" : : "r"(sum));
  Report("realign", SpentNs(&budget));
}
