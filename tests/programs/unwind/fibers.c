// SPDX-License-Identifier: Apache-2.0
// Two fibers (makecontext, swapcontext) on stacks of their own, which take turns: burn ← in_first ← first_fiber ←
// libc's start of a context, and burn ← in_second ← second_fiber ← the same.
#include <ucontext.h>

#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

static ucontext_t main_context, first_context, second_context;

FRAME void in_first(void) {
  burn();
  STAY_IN_FRAME();
}

FRAME void first_fiber(void) {
  for (;;) {
    in_first();
    swapcontext(&first_context, &second_context);
  }
}

FRAME void in_second(void) {
  char local[120];
  __asm__ volatile("" : : "r"(local) : "memory");
  burn();
  STAY_IN_FRAME();
}

FRAME void second_fiber(void) {
  for (;;) {
    in_second();
    swapcontext(&second_context, &main_context);
  }
}

static void Make(ucontext_t* context, void (*fiber)(void)) {
  enum { kStackBytes = 256 << 10 };
  if (getcontext(context) != 0) Die("getcontext");
  context->uc_stack.ss_sp = malloc(kStackBytes);
  context->uc_stack.ss_size = kStackBytes;
  context->uc_link = NULL;
  makecontext(context, fiber, 0);
}

int main(int argc, char** argv) {
  struct Budget budget = StartBudget(NumberArgument(argc, argv, 1, "fibers CPU-MILLISECONDS"));
  Make(&first_context, first_fiber);
  Make(&second_context, second_fiber);
  while (HasBudget(&budget)) swapcontext(&main_context, &first_context);
  Report("fibers", SpentNs(&budget));
}
