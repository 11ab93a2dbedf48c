// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/cli/top_options.h"

namespace kiln::agent {

// `kiln top`: samples, and shows each interval: on a terminal as a screen that keys change, elsewhere as a block of
// plain text, or as a line of JSON. Returns the exit status; what goes wrong was told on stderr.
int RunTop(const TopOptions& options);

}  // namespace kiln::agent
