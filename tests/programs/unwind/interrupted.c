// SPDX-License-Identifier: Apache-2.0
// A timer interrupts the chain spin ← middle ← outer ← main anywhere, in prologues too, a millisecond after the last
// time. The handler burns for about as long: burn ← handler ← libc's return from a signal ← where the chain was.
#include <sys/time.h>

#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

static bool ending;

FRAME void sets_timer(void) {
  const struct itimerval soon = {.it_value = {.tv_usec = 1000}};
  if (setitimer(ITIMER_REAL, &soon, NULL) != 0) Die("setitimer");
}

FRAME void handler(int number) {
  (void)number;
  for (int i = 0; i < 10; ++i) burn();
  if (!ending) sets_timer();
  STAY_IN_FRAME();
}

FRAME void spin(void) {
  for (int round = 0; round < 20; ++round) __asm__ volatile("" : : : "memory");
}

FRAME void middle(int a) {
  char local[88];
  __asm__ volatile("" : : "r"(local), "r"(a) : "rbx", "r12", "memory");
  spin();
  STAY_IN_FRAME();
}

FRAME void outer(int a) {
  __asm__ volatile("" : : "r"(a) : "r13", "memory");
  middle(a);
  STAY_IN_FRAME();
}

int main(int argc, char** argv) {
  struct Budget budget = StartBudget(NumberArgument(argc, argv, 1, "interrupted CPU-MILLISECONDS"));
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  if (sigaction(SIGALRM, &action, NULL) != 0) Die("sigaction");
  sets_timer();
  while (HasBudget(&budget)) {
    for (int i = 0; i < 1000; ++i) outer(i);
  }
  ending = true;
  Report("interrupted", SpentNs(&budget));
}
