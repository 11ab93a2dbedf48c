// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "agent/top/interval.h"
#include "agent/top/view.h"

namespace kiln::agent {

// The interval as one JSON object on one line, with its line end: the numbers of the header and at most `most_lines`
// rows of the table that `view` asks for. Keys are stable. Percentages are of the CPU time that was sampled (null where
// there was none), "cpu" is CPUs kept busy, "time" the end of the interval in UTC.
std::string RenderJsonLine(const TopInterval& interval, const TopView& view, size_t most_lines);

}  // namespace kiln::agent
