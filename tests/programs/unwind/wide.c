// SPDX-License-Identifier: Apache-2.0
// Runs through more code than a small budget has unwind tables for: all areas of the libraries FOLDER/areas_0.so … (see
// areas.c; copies of one file), and every other time the same three of them.
//   burn_hot  ← area_X ← area_Y ← area_Z ← runs_hot  ← main
//   burn_cold ← area_X ← area_Y ← area_Z ← runs_cold ← main
#include <dlfcn.h>

#include "tests/programs/unwind/chain.h"

enum { kAreas = 32, kAreaBytes = 1 << 16, kMostLibraries = 256, kLinks = 3 };

// What an area is called with: whom to call, and behind it whom that calls.
typedef struct Link {
  void (*enter)(const struct Link* next);
} Link;

FRAME void burn_hot(const Link* unused) {
  (void)unused;
  BURN();
}

FRAME void burn_cold(const Link* unused) {
  (void)unused;
  BURN();
}

FRAME void runs_hot(const Link* links) {
  links->enter(links + 1);
  STAY_IN_FRAME();
}

FRAME void runs_cold(const Link* links) {
  links->enter(links + 1);
  STAY_IN_FRAME();
}

static char* libraries[kMostLibraries];

static Link Area(unsigned number) {
  Link link;
  const char* code = libraries[number / kAreas] + (size_t)(number % kAreas) * kAreaBytes;
  memcpy(&link.enter, &code, sizeof(code));
  return link;
}

int main(int argc, char** argv) {
  static const char kUsage[] = "wide CPU-MILLISECONDS LIBRARIES FOLDER";
  const int milliseconds = NumberArgument(argc, argv, 1, kUsage);
  const unsigned count = (unsigned)NumberArgument(argc, argv, 2, kUsage);
  if (count > kMostLibraries || argc != 4) return 2;
  for (unsigned i = 0; i < count; ++i) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/areas_%u.so", argv[3], i);
    void* library = dlopen(path, RTLD_NOW);
    libraries[i] = library == NULL ? NULL : dlsym(library, "area_0");
    if (libraries[i] == NULL) {
      fprintf(stderr, "wide: %s\n", dlerror());
      return EXIT_FAILURE;
    }
  }
  const unsigned areas = count * kAreas;
  Link hot[kLinks + 1], cold[kLinks + 1];
  for (unsigned i = 0; i < kLinks; ++i) hot[i] = Area(i * areas / kLinks);
  hot[kLinks].enter = burn_hot;
  cold[kLinks].enter = burn_cold;

  const struct Budget budget = StartBudget(milliseconds);
  for (unsigned at = 0; HasBudget(&budget);) {
    runs_hot(hot);
    // A prime step through all of them.
    for (unsigned i = 0; i < kLinks; ++i) cold[i] = Area((unsigned)((uint64_t)at++ * 7919 % areas));
    runs_cold(cold);
  }
  struct timespec spent;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  printf("{\"program\":\"wide\",\"pid\":%d,\"on_cpu_ns\":%lld}\n", (int)getpid(),
         spent.tv_sec * 1000000000LL + spent.tv_nsec);
}
