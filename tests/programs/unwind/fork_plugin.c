// SPDX-License-Identifier: Apache-2.0
// A child by fork without exec loads a library that its parent does not have, while the parent runs on at the same
// addresses without it: burn_one ← deep_one ← work_one ← in_child ← child_main ← main in the child, burn ← in_parent ←
// main in the parent.
#include <dlfcn.h>
#include <sys/wait.h>

#include "tests/programs/unwind/chain.h"

typedef void (*Work)(void);

FRAME void burn(void) { BURN(); }

FRAME void in_parent(const struct Budget* budget) {
  while (HasBudget(budget)) burn();
  STAY_IN_FRAME();
}

FRAME void in_child(Work work, const struct Budget* budget) {
  while (HasBudget(budget)) work();
  STAY_IN_FRAME();
}

FRAME int child_main(int milliseconds, const char* folder) {
  char path[4096];
  snprintf(path, sizeof(path), "%s/libplugin_one.so", folder);
  void* library = dlopen(path, RTLD_NOW);
  const Work* work = library == NULL ? NULL : (const Work*)dlsym(library, "plugin_work");
  if (work == NULL) {
    fprintf(stderr, "fork_plugin: %s\n", dlerror());
    return EXIT_FAILURE;
  }
  struct Budget budget = StartBudget(milliseconds);
  in_child(*work, &budget);
  Report("fork_plugin", SpentNs(&budget));
  return EXIT_SUCCESS;
}

int main(int argc, char** argv) {
  const int milliseconds = NumberArgument(argc, argv, 1, "fork_plugin CPU-MILLISECONDS FOLDER") / 2;
  // Before the fork: the parent is known to the profiler when the child becomes another.
  struct Budget budget = StartBudget(milliseconds / 2);
  in_parent(&budget);
  int64_t burned_ns = SpentNs(&budget);
  const pid_t pid = fork();
  if (pid < 0) Die("fork");
  if (pid == 0) {
    const int status = child_main(milliseconds, argv[2]);
    _exit(status);
  }
  budget = StartBudget(milliseconds / 2);
  in_parent(&budget);
  burned_ns += SpentNs(&budget);
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || status != 0) Die("the child");
  Report("fork_plugin", burned_ns);
}
