// SPDX-License-Identifier: Apache-2.0
// Prints what GoNames says of a program's addresses, for comparisons with other tools.
//
//   print_go_names FILE < ADDRESSES   one hexadecimal address a line; for each the lines "function TAB file TAB line
//   TAB
//                                     start line", innermost inlined function first, or "? REASON"; then an empty line
//   print_go_names --entries FILE     the functions: "begin end" in hexadecimal
#include <fmt/format.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include "base/file.h"
#include "symbolizer/go/go_names.h"

namespace {

using namespace kiln;
using namespace kiln::symbolizer;

int PrintEntries(const GoPclntab& table) {
  for (size_t i = 0; i < table.size(); ++i) {
    const StatusOr<CodeExtent> extent = table.Extent(i);
    if (!extent.ok()) return 1;
    fmt::print("{:x} {:x}\n", extent->begin.value(), extent->end.value());
  }
  return 0;
}

int PrintNames(const GoNames& names) {
  std::string line;
  while (std::getline(std::cin, line)) {
    const Naming naming = names.Lookup(ElfAddress(std::strtoull(line.c_str(), nullptr, 16)));
    for (const SourceLine& source : naming.lines) {
      fmt::print("{}\t{}\t{}\t{}\n", source.name, source.file, source.line, source.start_line);
    }
    if (naming.lines.empty()) fmt::print("? {}\n", MissName(naming.miss));
    fmt::print("\n");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool entries = argc == 3 && std::strcmp(argv[1], "--entries") == 0;
  if (argc != 2 && !entries) {
    fmt::print(stderr, "usage: print_go_names [--entries] FILE\n");
    return 64;
  }
  StatusOr<File> file = File::Open(argv[argc - 1]);
  StatusOr<ElfFile> elf = file.ok() ? ElfFile::Open(*std::move(file)) : StatusOr<ElfFile>(file.status());
  StatusOr<GoNames> names = elf.ok() ? GoNames::Find(*elf) : StatusOr<GoNames>(elf.status());
  if (!names.ok()) {
    fmt::print(stderr, "print_go_names: {}\n", Message(names.status()));
    return 1;
  }
  return entries ? PrintEntries(names->table()) : PrintNames(*names);
}
