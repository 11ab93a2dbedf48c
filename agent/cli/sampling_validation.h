// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "agent/cli/arguments.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/sampling_options.h"

namespace kiln::agent {

// Fills `options`; the first thing that is wrong, if something is. Looks at /proc (of `proc_root`) and the cgroup
// folders.
std::optional<Failure> ValidateSampling(const SamplingArguments& arguments, const std::string& proc_root,
                                        SamplingOptions& options);

// A folder that a user gave to `option`: is it there?
std::optional<Failure> CheckFolder(const char* option, const std::string& path);

}  // namespace kiln::agent
