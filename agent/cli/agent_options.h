// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace kiln::agent {

// What `kiln agent` was asked to do.
struct AgentOptions {
  std::vector<std::string> configs;  // files and folders, later ones laid over earlier ones; none = the environment
  bool validate = false;             // check the configuration and end
  bool print_config = false;         // print what holds, secrets hidden, and end
};

}  // namespace kiln::agent
