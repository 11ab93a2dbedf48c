// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <string>

#include "profile/profile.h"

namespace kiln::agent {

// One interval of `kiln top`: what was sampled and what is told above the table.
struct TopInterval {
  profile::Profile profile;  // of this interval only; samples/count with the period in nanoseconds
  int frequency_hz = 0;      // in force
  int64_t lost = 0;          // samples that should be in it and are not
  int online_cpus = 1;
  double own_cpu_percent = 0;  // of one CPU, kiln's threads and its BPF programs
  std::string host;
  std::string target;  // "process 12"; "" = the whole host. Not yet safe to print
  std::string note;    // what whoever looks should know, for the screen; "" = nothing
};

struct TopTotals {
  int64_t samples = 0;
  int64_t complete = 0;  // whose stacks reach their root
};

// Sums saturate.
TopTotals TotalsOf(const profile::Profile& profile);

// How many CPUs `samples` of the profile kept busy, on average over its duration; 0 if it has none.
double BusyCpus(const profile::Profile& profile, int64_t samples);

// The end of the interval, wall clock.
absl::Time EndOf(const profile::Profile& profile);

// The profile as if the kernel were one instruction of the program: a stack begins at its innermost frame outside of
// the kernel. A stack with nothing but kernel frames becomes one frame named "[kernel]". Equal stacks may be there
// twice then, which those who count don't mind.
profile::Profile WithoutKernelFrames(const profile::Profile& profile);

}  // namespace kiln::agent
