// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"

namespace kiln::agent {

// What `kiln symbolize` was asked to do. Filled by the command line and checked by ValidateSymbolizeOptions
// (agent/cli/symbolize_validation.h) before anything is opened.
struct SymbolizeOptions {
  // One of the two is there.
  std::string exe;  // "" = none
  std::optional<Pid> pid;
  std::string section;  // of `exe`: what addresses count from; "" = they are ELF addresses
  // Given as arguments; none: they are read from standard input.
  std::vector<uint64_t> addresses;
  bool return_addresses = false;
  bool inlines = true;
  bool demangle = true;
  bool json = false;
  std::vector<std::string> debug_folders;  // best first
  std::string root;                        // `exe` is a path in it; "" = the host's
};

}  // namespace kiln::agent
