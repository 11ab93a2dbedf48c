// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace kiln::agent {

// "0-3,7" -> 0 1 2 3 7, ascending. kInvalidArgument for anything else.
StatusOr<std::vector<int>> ParseCpuList(std::string_view text);

// The CPUs in /sys/devices/system/cpu/online.
StatusOr<std::vector<int>> OnlineCpus();

// One more than the highest CPU that can ever come online (/sys/devices/system/cpu/possible).
StatusOr<int> PossibleCpuCount();

}  // namespace kiln::agent
