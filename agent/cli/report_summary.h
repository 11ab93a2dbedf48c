// SPDX-License-Identifier: Apache-2.0
// The lines above or below a table: what was recorded, when, how much, and what is missing.
#pragma once

#include <cstddef>
#include <string>

#include "profile/profile.h"

namespace kiln::agent {

// Lines "label  text":
//   recorded  target, host, start in UTC, duration
//   samples   sum of the first value, frequency, distinct stacks, processes, lost samples
//   complete  share of samples whose stack reached its root, and why the others did not
//   named     share of frames that have a name, and why the others have none (if the profile tells)
//   lines     the same for files and lines of native frames with a name
// and each further property that is a text, or a number other than zero, under its key. Every line ends in a newline
// and is safe to print. Lines are cut to `width` columns; 0 = not at all, less than 40 counts as 40.
std::string RenderProfileSummary(const profile::Profile& profile, size_t width);

}  // namespace kiln::agent
