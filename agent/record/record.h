// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/cli/record_options.h"

namespace kiln::agent {

// Records as `options` (validated) say, writes the files, prints table, summary and files. Returns the exit status of
// the program: the command's own if one was started, otherwise 0 or one of agent/cli/exit_code.h. On failure one
// sentence went to stderr.
int RunRecord(const RecordOptions& options);

}  // namespace kiln::agent
