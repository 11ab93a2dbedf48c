// SPDX-License-Identifier: Apache-2.0
// Loads three libraries in turns, runs each for some milliseconds and unloads it, so that the next one takes its place
// in memory: burn_X ← deep_X ← work_X ← runs_plugin ← main. Says in `same_address` how often a library stood where
// another one had been.
#include <dlfcn.h>

#include "tests/programs/unwind/chain.h"

typedef void (*Work)(void);

FRAME void runs_plugin(Work work, const struct Budget* budget) {
  while (HasBudget(budget)) work();
  STAY_IN_FRAME();
}

int main(int argc, char** argv) {
  enum { kTurnMilliseconds = 20 };
  const int milliseconds = NumberArgument(argc, argv, 1, "plugins CPU-MILLISECONDS FOLDER");
  static const char* const kNames[] = {"one", "two", "three"};
  int64_t burned_ns = 0;
  int same_address = 0;
  Work last = NULL;
  for (int turn = 0; burned_ns < milliseconds * INT64_C(1000000); ++turn) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/libplugin_%s.so", argv[2], kNames[turn % 3]);
    void* library = dlopen(path, RTLD_NOW);
    const Work* work = library == NULL ? NULL : (const Work*)dlsym(library, "plugin_work");
    if (work == NULL) {
      fprintf(stderr, "plugins: %s\n", dlerror());
      return EXIT_FAILURE;
    }
    // Within a page: the libraries differ in size by less.
    if (((uintptr_t)*work ^ (uintptr_t)last) < 4096) ++same_address;
    last = *work;
    struct Budget budget = StartBudget(kTurnMilliseconds);
    runs_plugin(*work, &budget);
    burned_ns += SpentNs(&budget);
    dlclose(library);
  }
  printf("{\"program\":\"plugins\",\"pid\":%d,\"burned_ns\":%lld,\"same_address\":%d}\n", (int)getpid(),
         (long long)burned_ns, same_address);
}
