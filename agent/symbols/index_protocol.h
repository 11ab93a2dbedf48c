// SPDX-License-Identifier: Apache-2.0
// What the agent and its indexer, the same program, tell each other: files by their numbers, the rest as arguments.
#pragma once

#include <string>
#include <vector>

#include "agent/symbols/index_process.h"

namespace kiln::agent {

// In this order from kFirstIndexerFd on: code, debug, supplementary, package, output. A number without a file is none.
inline constexpr int kFirstIndexerFd = 3;
inline constexpr int kIndexerFiles = 5;

// "key=value" each.
std::vector<std::string> EncodeIndexJob(const IndexJob& job);
// With the files' numbers filled in. kInvalidArgument for what EncodeIndexJob would not have made.
StatusOr<IndexJob> DecodeIndexJob(const std::vector<std::string>& arguments);

}  // namespace kiln::agent
