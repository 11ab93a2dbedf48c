// SPDX-License-Identifier: Apache-2.0
// The pointers that the loader fills in with an address of the file itself (R_*_RELATIVE, with addends). Linkers may
// leave their place in the file empty, so that the relocations alone tell the value.
#pragma once

#include <cstdint>
#include <functional>

#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// Of all sections. Large position-independent programs have half a million relocations.
inline constexpr uint64_t kMaxRelocations = 4 << 20;

// Calls `visit` with each one's place and the address that comes there, in the order of the file, until it returns
// false. Reads those of SHT_RELA sections that are loaded (24 bytes each); none for other machines than x86-64 and
// arm64, and none where they are damaged.
void VisitRelativeRelocations(const ElfFile& elf, const std::function<bool(ElfAddress place, ElfAddress value)>& visit);

}  // namespace kiln::symbolizer
