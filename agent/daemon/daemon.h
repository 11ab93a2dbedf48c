// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/cli/agent_options.h"

namespace kiln::agent {

// `kiln agent`: profiles this host until SIGTERM or SIGINT, as the configuration says; SIGHUP and changed files are
// read anew. Returns the exit status of the program: 0 after a stop, also one that found exporters down; 78 (EX_CONFIG)
// for a configuration that can't be, 69 or 77 where sampling can't start. A second SIGINT or SIGTERM ends at once,
// without the last attempts to send.
int RunAgent(const AgentOptions& options);

}  // namespace kiln::agent
