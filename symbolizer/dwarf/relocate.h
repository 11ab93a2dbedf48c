// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "base/status.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer::dwarf {

// Whether there is anything to apply to the section.
bool HasRelocations(const ElfFile& elf, const ElfFile::Section& section);

// Applies the relocations of `section` of a relocatable file (ET_REL, opened by ElfFile::OpenRelocatable) to its bytes:
// the absolute ones of x86-64 and arm64 that compilers use in debug information; others are left out. Symbols of
// sections count from where OpenRelocatable put them. Of several tables for
// one section the first one counts. kDataLoss if the table contradicts itself.
Status ApplyRelocations(const ElfFile& elf, const ElfFile::Section& section, std::span<std::byte> bytes);

}  // namespace kiln::symbolizer::dwarf
