// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "agent/config/config.h"
#include "agent/config/report.h"
#include "agent/config/section.h"
#include "agent/config/value.h"

namespace kiln::agent::config {

// Checks what no table can see by itself: that what is named is defined, and can do what it is named for; and fills the
// settings of authenticators into the clients that name them. `root` is what `config` was read from.
void CheckConfig(const Value& root, AgentConfig& config, Report& report);

// The value at a path of keys and list indices, such as {"service", "pipelines"}; nullptr if there is none.
const Value* FindValue(const Value& root, std::initializer_list<std::string_view> path);

}  // namespace kiln::agent::config
