// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/symbolize_validation.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <limits>

#include "agent/cli/sampling_validation.h"
#include "agent/cli/values.h"

namespace kiln::agent {
namespace {

Failure Usage(std::string sentence) { return {ExitCode::kUsage, std::move(sentence)}; }

}  // namespace

std::variant<SymbolizeOptions, Failure> ValidateSymbolizeOptions(const SymbolizeArguments& arguments) {
  if (arguments.exe.empty() == arguments.pid.empty()) {
    return Usage("give the file that the addresses are of (--exe FILE), or the process (--pid PID), one of them");
  }
  SymbolizeOptions options{.exe = arguments.exe,
                           .pid = std::nullopt,
                           .section = arguments.section,
                           .return_addresses = arguments.return_addresses,
                           .inlines = !arguments.no_inlines,
                           .demangle = !arguments.no_demangle,
                           .json = arguments.json,
                           .debug_folders = arguments.debug_folders,
                           .root = arguments.root};
  if (!arguments.pid.empty()) {
    const auto pid = ParseWholeNumber("--pid", arguments.pid, 1, std::numeric_limits<int32_t>::max());
    if (!pid.ok()) return Usage(std::string(Message(pid.status())));
    options.pid = Pid{static_cast<int32_t>(*pid)};
    if (!options.section.empty()) return Usage("--section goes with --exe: addresses of a process are of no section");
    if (!options.root.empty()) return Usage("--root goes with --exe: a process has its own root");
  }
  for (const std::string& folder : options.debug_folders) {
    if (auto failure = CheckFolder("--debug-dir", folder)) return *failure;
  }
  if (!options.root.empty()) {
    if (auto failure = CheckFolder("--root", options.root)) return *failure;
  }
  for (const std::string& text : arguments.addresses) {
    const auto address = ParseAddress(text);
    if (!address) return Usage(fmt::format("'{}' is no address: give hexadecimal digits, with or without 0x", text));
    options.addresses.push_back(*address);
  }
  return options;
}

}  // namespace kiln::agent
