// SPDX-License-Identifier: Apache-2.0
// A library that `plugins` and `fork_plugin` load: burn_X ← deep_X ← work_X, where PLUGIN is X and PLUGIN_FRAME the
// bytes of locals in deep_X. All libraries made from this file have their functions at like offsets, with other rules.
#include "tests/programs/unwind/chain.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

FRAME void JOIN(burn_, PLUGIN)(void) { BURN(); }

FRAME void JOIN(deep_, PLUGIN)(void) {
  char local[PLUGIN_FRAME];
  __asm__ volatile("" : : "r"(local) : "memory");
  JOIN(burn_, PLUGIN)();
  STAY_IN_FRAME();
}

FRAME void JOIN(work_, PLUGIN)(void) {
  JOIN(deep_, PLUGIN)();
  STAY_IN_FRAME();
}

__attribute__((visibility("default"))) void (*const plugin_work)(void) = JOIN(work_, PLUGIN);
