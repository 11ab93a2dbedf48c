// SPDX-License-Identifier: Apache-2.0
// From a profile to "which functions cost most". Of several values per sample the first one counts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "profile/profile.h"

namespace kiln::agent {

struct HotFunction {
  std::string name;    // as in the profile; pprof::BareFrameName for code without one. Not yet safe to print
  std::string module;  // last part of the file's path, or perf's name in brackets; empty if not known
  int64_t self = 0;    // samples taken in it (in the innermost inlined function)
  int64_t total = 0;   // samples taken in it or in what it calls; a recursive function counts once per stack
};

struct HotFunctions {
  std::vector<HotFunction> functions;  // by self, then total, falling, then by name
  int64_t samples = 0;                 // sum of all values, what 100 % is
};

// A function is a name in a module: equal names of two modules are two functions. The mark of a cut stack is no
// function, unless there is nothing else in its stack. Sums saturate. Linear in the size of the profile.
HotFunctions FindHotFunctions(const profile::Profile& profile);

// The last part of a path; the whole text where there is none (e.g. "[vdso]").
std::string_view BaseName(std::string_view path);

// a + b, or the limit that it would run past.
int64_t SaturatingAdd(int64_t a, int64_t b);

}  // namespace kiln::agent
