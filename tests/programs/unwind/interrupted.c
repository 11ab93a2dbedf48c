// SPDX-License-Identifier: Apache-2.0
// A timer interrupts the chain spin ← middle ← outer ← main anywhere, in prologues too, every two milliseconds of CPU
// time. The handler burns for half of that: burn ← handler ← libc's return from a signal ← where the chain was.
#include <sys/time.h>

#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

FRAME void handler(int number) {
  (void)number;
  for (int i = 0; i < 10; ++i) burn();
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
  if (sigaction(SIGPROF, &action, NULL) != 0) Die("sigaction");
  const struct itimerval often = {.it_interval = {.tv_usec = 2000}, .it_value = {.tv_usec = 2000}};
  if (setitimer(ITIMER_PROF, &often, NULL) != 0) Die("setitimer");
  while (HasBudget(&budget)) {
    for (int i = 0; i < 1000; ++i) outer(i);
  }
  const struct itimerval never = {0};
  setitimer(ITIMER_PROF, &never, NULL);
  Report("interrupted", SpentNs(&budget));
}
