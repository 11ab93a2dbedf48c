// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/status.h"
#include "profile/profile.h"

namespace kiln::profile {

// OK if every index is inside its table, every sample has one value per sample type, strings[0] and attribute_sets[0]
// are empty, keys inside an attribute set are unique, functions have a name, strings are UTF-8, and no table holds an
// item twice. Otherwise kInvalidArgument that names the first offender, e.g. "location 7: mapping 12 is out of range
// (3)".
Status Validate(const Profile& profile);

}  // namespace kiln::profile
