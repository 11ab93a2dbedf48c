// SPDX-License-Identifier: Apache-2.0
// What PT_DYNAMIC tells about a file: where its dynamic symbols, their names and its relocations are. It is there for
// the dynamic linker, so no strip removes it; files whose section headers were cut off (sstrip, packers, images read
// from memory) still have it.
//
// Format: System V ABI, chapter 5, "Dynamic Section", and for DT_GNU_HASH the sources of the GNU linkers.
#pragma once

#include <optional>
#include <vector>

#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// A symbol table and its names, as sections: offsets and sizes are in the file, addresses are not set.
struct SymbolSections {
  ElfFile::Section symbols;
  ElfFile::Section names;
};

// Every part is in the file part of a segment; what is not there, or says something impossible, is nullopt or empty.
struct DynamicSection {
  // .dynsym and .dynstr. The number of symbols is that of DT_HASH or DT_GNU_HASH; where those do not
  // tell, the symbols reach up to the names.
  std::optional<SymbolSections> symbols;
  // DT_JMPREL and DT_RELA as sections of type SHT_RELA.
  std::vector<ElfFile::Section> relocations;
};

// Reads PT_DYNAMIC of at most 64 KiB, and the hash table piece by piece.
DynamicSection ReadDynamicSection(const ElfFile& elf);

}  // namespace kiln::symbolizer
