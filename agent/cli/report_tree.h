// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "profile/profile.h"

namespace kiln::agent {

struct TreeOptions {
  double cut_off_percent = 1.0;  // leave out what has less of all samples than this, 0 to 100
  size_t width = 0;              // columns of the terminal; 0 = don't cut
  int64_t whole = 0;             // how many samples are 100 %; 0 = those of the profile
};

// The call tree from the root down, one function a line, the most expensive branch first:
//   total %  self %  indented function  [module]
// With several processes the first level is the process. A function that is alone below its caller and has all of its
// samples is not indented further, so that long chains stay readable. "no samples\n" without any. Safe to print.
// Memory and time follow the number of distinct call paths; deep stacks don't recurse.
std::string RenderCallTree(const profile::Profile& profile, const TreeOptions& options);

}  // namespace kiln::agent
