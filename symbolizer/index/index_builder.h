// SPDX-License-Identifier: Apache-2.0
// One pass over the debug information of a file, unit by unit, into a line index.
#pragma once

#include <string>

#include "base/status.h"
#include "symbolizer/dwarf/split_units.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

struct IndexInput {
  // The file with the code, and the one with the debug information; often the same.
  const ElfFile* code = nullptr;
  const ElfFile* debug = nullptr;
  // The file of .gnu_debugaltlink; nullptr = none.
  const ElfFile* supplementary = nullptr;
  // The package of split units (.dwp); nullptr = none.
  const ElfFile* package = nullptr;
  // Opens the file of a split unit that the package does not have; nullopt if there is none. May be empty.
  dwarf::DwoOpener open_dwo = {};
};

struct IndexOptions {
  // Map files instead of reading them: see dwarf/sections.h.
  bool map_files = false;
  // For temporary files, which have about the size of the index and of what is not mapped; "" = in memory.
  std::string scratch_folder = {};
  // Of debug information that memory holds.
  uint64_t limit_bytes = uint64_t{4} << 30;
};

// Writes the index to the empty file `fd`. kNotFound if the file has no debug information; kDataLoss,
// kResourceExhausted if it can't be read at all. Damage in a unit is counted in the header, and what was read before it
// is kept.
Status BuildLineIndex(const IndexInput& input, const IndexOptions& options, int fd);

}  // namespace kiln::symbolizer
