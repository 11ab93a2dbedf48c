/* SPDX-License-Identifier: Apache-2.0 */
/*
 * burn <- on_timer <- [signal frame] <- interrupted <- main. The interrupted function is a leaf that has saved nothing:
 * its caller is known only to LR as of the interruption. The handler runs on a stack of its own.
 */
#include <signal.h>
#include <sys/time.h>

#include "tests/vm/arm64/burn.h"

static volatile sig_atomic_t done;
static char stack[65536] __attribute__((aligned(16)));

static void on_timer(int number) {
  (void)number;
  done = burn_long() != 0;
}

static BURNS unsigned long interrupted(void) {
  unsigned long rounds = 0;

  while (!done) rounds++;
  return rounds;
}

int main(void) {
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
  struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_ONSTACK};
  struct itimerval soon = {.it_value = {.tv_usec = 20000}};
  unsigned long rounds;

  sigaltstack(&alternate, NULL);
  sigaction(SIGVTALRM, &action, NULL);
  setitimer(ITIMER_VIRTUAL, &soon, NULL);
  rounds = interrupted();
  AFTER_CALL();
  return rounds == 0;
}
