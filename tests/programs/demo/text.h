// SPDX-License-Identifier: Apache-2.0
// The lines that the demo service receives: made up, parsed, and broken into words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/programs/burn.h"

namespace demo {

struct Request {
  int64_t time_ms;
  std::string method;
  std::string path;
  int status;
  double seconds;
};

// `count` lines of an access log, separated by '\n'.
std::string GenerateLog(kiln::programs::Random& random, int count);

// Reads what GenerateLog writes; malformed lines are left out.
std::vector<Request> ParseLog(std::string_view log);

// The parts of a path between slashes, in lower case.
std::vector<std::string> Tokenize(std::string_view path);

}  // namespace demo
