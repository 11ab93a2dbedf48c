// SPDX-License-Identifier: Apache-2.0
// Frames of all shapes, one above the other:
//   burn ← takes_many ← pushes_arguments ← scratch_rbp ← variable_array ← takes_alloca ← many_registers ← main
#include <alloca.h>

#include "tests/programs/unwind/chain.h"

// A leaf with locals below the stack pointer, in the red zone.
FRAME void burn(void) {
  volatile uint64_t locals[12];
  for (int i = 0; i < 12; ++i) locals[i] = (uint64_t)i;
  BURN();
  locals[0] = locals[11];
}

// Pushes arguments on the stack: its frame grows before the call and shrinks behind it.
FRAME int takes_many(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j) {
  burn();
  STAY_IN_FRAME();
  return a + b + c + d + e + f + g + h + i + j;
}

FRAME int pushes_arguments(int a) {
  const int sum = takes_many(a, 2, 3, 4, 5, 6, 7, a, 9, 10);
  STAY_IN_FRAME();
  return sum + takes_many(a, 2, 3, 4, 5, 6, 7, a, a, a);
}

// rbp is a register like any other: here it holds what looks like an address on the stack, but is none.
FRAME int scratch_rbp(int a) {
#if defined(__x86_64__)
  __asm__ volatile("leaq 24(%%rsp), %%rbp" : : : "rbp");
#endif
  const int sum = pushes_arguments(a);
  STAY_IN_FRAME();
#if defined(__x86_64__)
  __asm__ volatile("xorl %%ebp, %%ebp" : : : "rbp");
#endif
  return sum;
}

// The size of the frame is known at run time only: the compiler goes by rbp.
FRAME int variable_array(int size) {
  int numbers[size];
  for (int i = 0; i < size; ++i) numbers[i] = i;
  __asm__ volatile("" : : "r"(numbers) : "memory");
  return scratch_rbp(numbers[size - 1]);
}

FRAME int takes_alloca(int size) {
  int sum = 0;
  for (int i = 1; i <= 3; ++i) {
    char* memory = alloca((size_t)(size * i));
    memset(memory, i, (size_t)(size * i));
    __asm__ volatile("" : : "r"(memory) : "memory");
    sum += variable_array(size + i);
    STAY_IN_FRAME();
  }
  return sum;
}

// Saves all registers that a callee saves.
FRAME int many_registers(int a) {
  int b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13, g = a * 17;
  __asm__ volatile("" : "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g));
  const int sum = takes_alloca(a);
  __asm__ volatile("" : "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g));
  return sum + b + c + d + e + f + g;
}

int main(int argc, char** argv) {
  struct Budget budget = StartBudget(NumberArgument(argc, argv, 1, "frames CPU-MILLISECONDS"));
  int sum = 0;
  while (HasBudget(&budget)) sum += many_registers(50);
  __asm__ volatile("" : : "r"(sum));
  Report("frames", SpentNs(&budget));
}
