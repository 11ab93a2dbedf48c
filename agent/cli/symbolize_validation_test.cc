// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/symbolize_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void ExpectFailure(const SymbolizeArguments& arguments, ExitCode code, const std::string& part) {
  const auto result = ValidateSymbolizeOptions(arguments);
  const auto* failure = std::get_if<Failure>(&result);
  ASSERT_NE(failure, nullptr) << part;
  EXPECT_EQ(failure->code, code) << failure->sentence;
  EXPECT_THAT(failure->sentence, HasSubstr(part));
}

TEST(ValidateSymbolizeOptions, TakesAddressesInHexadecimalWithAndWithoutPrefix) {
  const auto result = ValidateSymbolizeOptions(
      {.exe = "app", .addresses = {"10", "0x20", "0XfF", "ffffffffffffffff"}, .no_inlines = true});
  const auto* options = std::get_if<SymbolizeOptions>(&result);
  ASSERT_NE(options, nullptr);
  EXPECT_THAT(options->addresses, ElementsAre(0x10, 0x20, 0xff, ~uint64_t{0}));
  EXPECT_FALSE(options->inlines);
  EXPECT_TRUE(options->demangle);
}

TEST(ValidateSymbolizeOptions, NamesWhatIsWrong) {
  ExpectFailure({}, ExitCode::kUsage, "--exe FILE");
  ExpectFailure({.exe = "a", .pid = "1"}, ExitCode::kUsage, "one of them");
  ExpectFailure({.pid = "x"}, ExitCode::kUsage, "--pid is 'x'");
  ExpectFailure({.section = ".text", .pid = "1"}, ExitCode::kUsage, "--section goes with --exe");
  ExpectFailure({.pid = "1", .root = "/"}, ExitCode::kUsage, "--root goes with --exe");
  ExpectFailure({.exe = "a", .root = "/no/such"}, ExitCode::kNoInput, "--root is '/no/such'");
  ExpectFailure({.exe = "a", .debug_folders = {"/", "/no/such"}}, ExitCode::kNoInput, "--debug-dir is '/no/such'");
  for (const char* bad : {"", "0x", "xyz", "-1", "0x1g", "10000000000000000", " 1"}) {
    ExpectFailure({.exe = "a", .addresses = {bad}}, ExitCode::kUsage, std::string("'") + bad + "' is no address");
  }
}

}  // namespace
}  // namespace kiln::agent
