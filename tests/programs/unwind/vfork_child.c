// SPDX-License-Identifier: Apache-2.0
// Children by vfork, which run in their parent's memory and on its stack while it waits:
// burn ← in_child ← starts_child ← main, in the child. The parent reports for all of them, each under its pid.
#include <sys/wait.h>

#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

FRAME void in_child(const struct Budget* budget) {
  while (HasBudget(budget)) burn();
  STAY_IN_FRAME();
}

// Pid of a child that has burnt its budget; what it spent comes back in `spent_ns`.
FRAME pid_t starts_child(int milliseconds, volatile int64_t* spent_ns) {
  const pid_t pid = vfork();
  if (pid < 0) Die("vfork");
  if (pid == 0) {
    struct Budget budget = StartBudget(milliseconds);
    in_child(&budget);
    *spent_ns = SpentNs(&budget);
    _exit(EXIT_SUCCESS);
  }
  return pid;
}

int main(int argc, char** argv) {
  enum { kChildren = 4 };
  const int milliseconds = NumberArgument(argc, argv, 1, "vfork_child CPU-MILLISECONDS");
  for (int i = 0; i < kChildren; ++i) {
    volatile int64_t spent_ns = 0;
    const pid_t pid = starts_child(milliseconds / kChildren, &spent_ns);
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || status != 0) Die("the child");
    ReportProcess("vfork_child", pid, spent_ns);
  }
}
