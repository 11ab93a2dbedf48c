// SPDX-License-Identifier: Apache-2.0
// name_addresses FILE ADDRESS…: names addresses of a program or library with the library symbolizer/ alone, no agent.
// Prints a line per function at each address, innermost inlined function first:
//
//   $ name_addresses ./server 0x4a1c2f
//   std::vector<int>::size() const (inlined) at /usr/include/c++/12/bits/stl_vector.h:987
//   Table::Find(int) const at /src/table.cc:41
//
// A program of your own links kiln_symbolizer: see CMakeLists.txt beside this file.
#include <fmt/core.h>

#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

#include "symbolizer/file_symbolizer.h"

namespace {

using kiln::symbolizer::FileSymbolizer;

// Hexadecimal digits, with or without 0x.
bool ParseAddress(std::string_view text, uint64_t& address) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), address, 16);
  return error == std::errc() && end == text.data() + text.size();
}

void PrintNames(FileSymbolizer& symbolizer, uint64_t address) {
  // Addresses are those of the ELF file. For the one that a call returns to, ask for the one before: the call's.
  const auto found = symbolizer.Find(kiln::ElfAddress(address));
  if (found.lines.empty()) fmt::print("{:#x}: {}\n", address, kiln::symbolizer::MissName(found.miss));
  for (const kiln::symbolizer::LineView& line : found.lines) {
    fmt::print("{}{}", line.name, &line == &found.lines.back() ? "" : " (inlined)");
    if (!line.file.empty()) fmt::print(" at {}:{}", line.file, line.line);
    fmt::print("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<uint64_t> addresses;
  for (int i = 2; i < argc; ++i) {
    if (!ParseAddress(argv[i], addresses.emplace_back())) {
      fmt::print(stderr, "name_addresses: '{}' is no hexadecimal number\n", argv[i]);
      return 64;
    }
  }
  if (addresses.empty()) {
    fmt::print(stderr, "usage: name_addresses FILE ADDRESS…\n");
    return 64;
  }
  // Reads the debug information once, its own or that of its separate debug file: some 100 MB a second. With
  // .debug_info = false it stays with symbols.
  const auto symbolizer = FileSymbolizer::Open(argv[1], {});
  if (!symbolizer.ok()) {
    fmt::print(stderr, "name_addresses: {}: {}\n", argv[1], kiln::Message(symbolizer.status()));
    return 65;
  }
  for (const uint64_t address : addresses) PrintNames(**symbolizer, address);
  if (!(*symbolizer)->note().empty()) fmt::print(stderr, "name_addresses: {}\n", (*symbolizer)->note());
  return 0;
}
