// SPDX-License-Identifier: Apache-2.0
// All files that say something of one object file's code: the separate debug file, what dwz took out of it, and the
// package of split units.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "symbolizer/debug_file.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// Whether the file has .debug_info, in whatever form.
bool HasDebugInfo(const ElfFile& elf);

struct DebugFiles {
  // nullopt if the object file has debug information itself, or none is found.
  std::optional<DebugFile> debug;
  std::optional<DebugFile> supplementary;  // .gnu_debugaltlink
  std::optional<DebugFile> package;        // FILE.dwp
  std::optional<ElfFile> mini;             // .gnu_debugdata, unless there is a .symtab already
  // Why there is none.
  DebugMiss debug_miss = DebugMiss::kNone;
  DebugMiss supplementary_miss = DebugMiss::kNone;
  // A debug file that was passed over; "" = none.
  std::string passed_over;

  // The one with debug information: `elf` itself, or the separate one; nullptr = none.
  const ElfFile* InfoOf(const ElfFile& elf) const;
  // The ones with symbols, `elf` first, for SymbolSources.
  std::vector<const ElfFile*> SymbolFilesOf(const ElfFile& elf) const;
};

// Costs as FindDebugFile.
DebugFiles FindDebugFiles(const ElfFile& elf, const DebugPlaces& places);

}  // namespace kiln::symbolizer
