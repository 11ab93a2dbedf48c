// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "agent/cli/command_model.h"

namespace kiln::agent {

// kiln(1) in roff with the man macros.
std::string RenderManPage(const ProgramModel& model, std::string_view version);

}  // namespace kiln::agent
