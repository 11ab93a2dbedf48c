// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "agent/cli/command_model.h"
#include "base/status.h"

namespace kiln::agent {

// The completion script for "bash", "zsh" or "fish": commands, options, the choices of a value, files, folders, pids,
// and behind `record --` the completion of the command itself. kInvalidArgument for any other shell.
StatusOr<std::string> RenderCompletions(const ProgramModel& model, std::string_view shell);

}  // namespace kiln::agent
