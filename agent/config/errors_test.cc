// SPDX-License-Identifier: Apache-2.0
// Every kind of error with its very text: agent/config/testdata/errors.txt holds cases of
//   === name
//   configuration
//   --- errors
//   what is said of it
// KILN_UPDATE_GOLDEN=1 writes the file anew; read the difference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "agent/config/testing.h"
#include "base/file.h"

namespace kiln::agent::config {
namespace {

constexpr char kPath[] = "agent/config/testdata/errors.txt";
constexpr std::string_view kCase = "=== ", kErrors = "--- errors\n";

struct Case {
  std::string name, text, errors;
};

std::vector<Case> ReadCases() {
  std::vector<Case> cases;
  std::ifstream file(kPath);
  bool in_errors = false;
  for (std::string line; std::getline(file, line);) {
    line += '\n';
    if (line.starts_with(kCase)) {
      cases.push_back({.name = line.substr(kCase.size(), line.size() - kCase.size() - 1)});
      in_errors = false;
    } else if (line == kErrors) {
      in_errors = true;
    } else if (!cases.empty()) {
      (in_errors ? cases.back().errors : cases.back().text) += line;
    }
  }
  return cases;
}

TEST(Errors, SayWhatIsWrongWhereAndWhatIsAllowed) {
  const std::vector<Case> cases = ReadCases();
  ASSERT_GT(cases.size(), 40u);
  std::string rewritten;
  for (const Case& one : cases) {
    std::string errors;
    for (const std::string& error : Texts(Load(one.text).errors)) errors += error + "\n";
    EXPECT_EQ(errors, one.errors) << one.name;
    EXPECT_FALSE(errors.empty()) << one.name;
    rewritten += std::string(kCase) + one.name + "\n" + one.text + std::string(kErrors) + errors;
  }
  if (std::getenv("KILN_UPDATE_GOLDEN") != nullptr) std::ofstream(kPath) << rewritten;
}

}  // namespace
}  // namespace kiln::agent::config
