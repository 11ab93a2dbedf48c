// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "profile/profile.h"

namespace kiln::profile {

// A valid profile as text for golden files and comparisons: two profiles have the same dump exactly if they say the
// same, in whatever order their tables and samples are. Only what samples and properties refer to is shown. Mappings
// (M1…) and frames (F1…) are numbered in the order of their text; frames of a stack stand leaf first. A system name
// that equals the name counts as empty, as profile.h says.
std::string Dump(const Profile& profile);

}  // namespace kiln::profile
