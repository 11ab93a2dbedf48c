// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "agent/config/report.h"
#include "agent/config/value.h"

namespace kiln::agent::config {

inline constexpr size_t kMaxConfigBytes = size_t{1} << 20;  // of one file
inline constexpr int kMaxDepth = 64;                        // of maps and lists in each other
inline constexpr int kMaxValues = 100'000;                  // of one file, each use of an alias counted anew

// One YAML 1.2 document (UTF-8, with or without BOM, any line ends) with anchors, aliases and merge keys ("<<"). Errors
// go to `report` under `file`; then the result is nullopt. An empty document is null.
std::optional<Value> ParseYaml(std::string_view text, int file, Report& report);

// The same for a piece of text in a value at `place`, which all of it gets. What is no YAML is nullopt.
std::optional<Value> ParseInlineYaml(std::string_view text, const Place& place);

}  // namespace kiln::agent::config
