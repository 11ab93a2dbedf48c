// SPDX-License-Identifier: Apache-2.0
// All that names the code of one object file, behind one lookup. Usable without the agent (a whole program:
// example/name_addresses.cc):
//
//   KILN_ASSIGN_OR_RETURN(const auto symbolizer, FileSymbolizer::Open("/usr/bin/git", {}));
//   for (const LineView& line : symbolizer->Find(ElfAddress(0x1234)).lines) …  // innermost inlined function first
//
// Asked in this order, and the first one that knows the address answers: Go's table of functions, the line index made
// of DWARF (the file's own, or that of its separate debug file), the symbol tables of both, the names of PLT stubs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/status.h"
#include "symbolizer/code_namer.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/symbol.h"

namespace kiln::symbolizer {

struct FileSymbolizerOptions {
  // Where the file lies in the roots, for .gnu_debuglink; "" = as given to Open.
  std::string path = {};
  // Folders that stand for "/" when a separate debug file is looked for, best first.
  std::vector<std::string> roots = {"/"};
  // Further folders with debug files, each laid out like /usr/lib/debug; asked before the roots.
  std::vector<std::string> debug_folders = {};
  // Read DWARF: files, lines and inlined functions. Without it names alone, in a fraction of the time and memory.
  bool debug_info = true;
  // For unlinked files of the size of the debug information; "" = in memory. Its filesystem has to know O_TMPFILE.
  std::string scratch_folder = {};
};

// Thread-compatible: names are remembered.
class FileSymbolizer {
 public:
  virtual ~FileSymbolizer() = default;

  // Fails if the file can't be opened or is no ELF file that is read; MissFromStatus gives the reason. Debug
  // information that is damaged or missing is no failure: note() tells.
  static StatusOr<std::unique_ptr<FileSymbolizer>> Open(const std::string& path, const FileSymbolizerOptions& options);

  // Lines, innermost inlined function first, or the reason why there is none; valid until the next call.
  CodeNamer::Found Find(ElfAddress address) { return names().Find(address); }
  // The same, to keep.
  Naming Lookup(ElfAddress address) { return names().Copy(address); }
  // The file itself.
  virtual const ElfFile& elf() const = 0;
  // The separate debug file that is used; "" = none.
  virtual const std::string& debug_path() const = 0;
  // Why there are no lines, in words for people; "" if nothing is missing.
  virtual const std::string& note() const = 0;

 private:
  virtual CodeNamer& names() = 0;
};

}  // namespace kiln::symbolizer
