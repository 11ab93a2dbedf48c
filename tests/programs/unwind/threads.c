// SPDX-License-Identifier: Apache-2.0
// Three ways to begin a stack: burn ← spends_budget ← in_thread ← thread_main ← libc's thread start, burn ← in_clone ←
// clone_main ← libc's clone, and burn ← in_main ← main. One after the other, each a third of the time.
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

static int milliseconds;
static int64_t burned_ns;

FRAME void spends_budget(void) {
  struct Budget budget = StartBudget(milliseconds);
  while (HasBudget(&budget)) burn();
  burned_ns += SpentNs(&budget);
}

FRAME void in_thread(void) {
  spends_budget();
  STAY_IN_FRAME();
}

FRAME void* thread_main(void* argument) {
  in_thread();
  STAY_IN_FRAME();
  return argument;
}

FRAME void in_clone(void) {
  spends_budget();
  STAY_IN_FRAME();
}

FRAME int clone_main(void* argument) {
  (void)argument;
  in_clone();
  STAY_IN_FRAME();
  return 0;
}

FRAME void in_main(void) {
  spends_budget();
  STAY_IN_FRAME();
}

int main(int argc, char** argv) {
  milliseconds = NumberArgument(argc, argv, 1, "threads CPU-MILLISECONDS") / 3;
  pthread_t thread;
  if (pthread_create(&thread, NULL, thread_main, NULL) != 0) Die("pthread_create");
  pthread_join(thread, NULL);

  enum { kStackBytes = 1 << 20 };
  char* stack = mmap(NULL, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) Die("mmap");
  const pid_t pid = clone(clone_main, stack + kStackBytes, CLONE_VM | SIGCHLD, NULL);
  const int64_t before_ns = burned_ns;
  if (pid < 0 || waitpid(pid, NULL, 0) != pid) Die("clone");
  ReportProcess("threads", pid, burned_ns - before_ns);
  burned_ns = before_ns;

  in_main();
  Report("threads", burned_ns);
}
