// SPDX-License-Identifier: Apache-2.0
// The dynamic linker at work: loads a library with thousands of imports that are bound at their first call, calls them
// all, and unloads it again: (the linker's binding of a symbol) ← binds_all ← main, and (loading) ← loads ← main.
#include <dlfcn.h>

#include "tests/programs/unwind/chain.h"

typedef int (*BindsAll)(void);

FRAME void* loads(const char* path) {
  void* library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  STAY_IN_FRAME();
  return library;
}

int main(int argc, char** argv) {
  const int milliseconds = NumberArgument(argc, argv, 1, "lazy CPU-MILLISECONDS FOLDER");
  char path[4096];
  snprintf(path, sizeof(path), "%s/libimports.so", argv[2]);
  struct Budget budget = StartBudget(milliseconds);
  while (HasBudget(&budget)) {
    void* library = loads(path);
    const BindsAll binds_all = library == NULL ? NULL : (BindsAll)(uintptr_t)dlsym(library, "binds_all");
    if (binds_all == NULL) {
      fprintf(stderr, "lazy: %s\n", dlerror());
      return EXIT_FAILURE;
    }
    int sum = binds_all();
    __asm__ volatile("" : "+r"(sum));
    dlclose(library);
  }
  Report("lazy", SpentNs(&budget));
}
