// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <variant>

#include "agent/cli/arguments.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/symbolize_options.h"

namespace kiln::agent {

// The options if all is well, otherwise the first thing that is not. Looks at the folders, not at FILE or PID.
std::variant<SymbolizeOptions, Failure> ValidateSymbolizeOptions(const SymbolizeArguments& arguments);

}  // namespace kiln::agent
