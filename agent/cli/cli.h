// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "agent/cli/agent_options.h"
#include "agent/cli/record_options.h"
#include "agent/cli/symbolize_options.h"
#include "agent/cli/top_options.h"

namespace kiln::agent {

// What the command line starts but does not contain: main passes the real thing, tests a recording fake.
struct CommandLineHooks {
  std::function<int(const RecordOptions&)> record;
  std::function<int(const AgentOptions&)> agent;
  std::function<int(const TopOptions&)> top;
  std::function<int(const SymbolizeOptions&)> symbolize;
};

// The whole program but for the hooks: parses, validates, runs one command. Returns the exit status. Text for people
// and data goes to stdout, errors and logging to stderr.
int RunCommandLine(int argc, const char* const* argv, const CommandLineHooks& hooks);

}  // namespace kiln::agent
