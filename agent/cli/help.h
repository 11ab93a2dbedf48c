// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "agent/cli/command_model.h"

namespace kiln::agent {

// What a bare `kiln` prints: what it is, the usual calls, the commands. About a dozen lines.
std::string RenderOverview(const ProgramModel& model);

// `kiln --help`: the overview with the options that go with every command.
std::string RenderProgramHelp(const ProgramModel& model);

// `kiln COMMAND --help`.
std::string RenderCommandHelp(const ProgramModel& model, const CommandModel& command);

}  // namespace kiln::agent
