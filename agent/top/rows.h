// SPDX-License-Identifier: Apache-2.0
// The table of `kiln top` as numbers and names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/cli/top_options.h"
#include "profile/profile.h"

namespace kiln::agent {

// Texts are as in the profile, not yet safe to print.
struct TopRow {
  int64_t self = 0;   // samples; processes and threads: all of theirs
  int64_t total = 0;  // functions: also those taken in what it calls, once per stack; others: as self
  // By function: the function. By process or thread: the function that most of its samples were taken in itself.
  std::string function;
  std::string module;
  // By function: the process that has most of self, or of total where there is no self. pid 0 = not known.
  std::string process;
  int64_t pid = 0;
  size_t more_processes = 0;  // by function: others that have it
  std::string thread;         // by thread
  int64_t tid = 0;
};

// One row per function, process or thread that has samples, the first by `sort` first; what is equal there is ordered
// by the other column, then by name and number. Sums saturate. Linear in the size of the profile, but for sorting.
std::vector<TopRow> CountRows(const profile::Profile& profile, TopGrouping by, TopSort sort);

// Whether one of the row's texts, or a number, holds `text`; case does not matter in ASCII. True if `text` is empty.
bool RowMatches(const TopRow& row, std::string_view text);

// The profile with those samples only that have `text` (as in RowMatches) in a function, module, process or thread.
profile::Profile SamplesWith(const profile::Profile& profile, std::string_view text);

}  // namespace kiln::agent
