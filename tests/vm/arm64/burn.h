/* SPDX-License-Identifier: Apache-2.0 */
/* What the arm64 test programs share: a way to spend CPU time in a function that is a leaf and keeps no frame. */
#pragma once

#include <time.h>

#define BURNS __attribute__((noinline, noclone))

/* Work after a call, so that it is no tail call. */
#define AFTER_CALL() asm volatile("" ::: "memory")

static inline long cpu_ms(void) {
  struct timespec now;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Some ten milliseconds of nothing but registers: a leaf with its return address in LR. */
static BURNS unsigned long burn(unsigned long state) {
  for (int round = 0; round < 2000000; round++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
  }
  return state;
}

enum { BURN_MS = 1000 };

/* Calls burn() until the process has spent BURN_MS. */
static inline unsigned long burn_long(void) {
  unsigned long state = 88172645463325252ul;

  for (long end = cpu_ms() + BURN_MS; cpu_ms() < end;) state = burn(state);
  return state;
}
