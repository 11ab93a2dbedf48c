// SPDX-License-Identifier: Apache-2.0
// Profiles as a host under mixed load gives them, made up: for looking at the page and for driving it.
#pragma once

#include <cstdint>

#include "profile/profile.h"

namespace kiln::testing {

struct SyntheticOptions {
  uint32_t stacks = 3000;  // distinct stacks, roughly
  uint32_t depth = 26;     // mean number of frames of a deep stack
  uint64_t seed = 1;       // equal options give equal profiles
};

// Four programs (a C++ compiler with several processes, a database with named threads, a Python service, a JavaScript
// server), with kernel, inlined, interpreted, jit and truncated frames and long C++ names.
profile::Profile SyntheticProfile(const SyntheticOptions& options);

}  // namespace kiln::testing
