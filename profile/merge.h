// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/status.h"
#include "profile/builder.h"

namespace kiln::profile {

// Adds the samples of `from` (valid, see validate.h) to `into`, sharing equal strings, frames and stacks. Sample types,
// period and properties must be set in `into` already; kInvalidArgument if the sample types differ in number or name.
// Time, period and properties of `from` are not taken over.
Status Merge(const Profile& from, ProfileBuilder& into);

}  // namespace kiln::profile
