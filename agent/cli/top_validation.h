// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <variant>

#include "agent/cli/arguments.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/top_options.h"

namespace kiln::agent {

// The options if all is well, otherwise the first thing that is not. Looks at /proc (of `proc_root`) and the cgroup
// folders.
std::variant<TopOptions, Failure> ValidateTopOptions(const TopArguments& arguments, const std::string& proc_root);

}  // namespace kiln::agent
