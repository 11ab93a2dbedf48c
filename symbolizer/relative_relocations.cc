// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/relative_relocations.h"

#include <elf.h>

#include <algorithm>
#include <span>
#include <vector>

namespace kiln::symbolizer {

void VisitRelativeRelocations(const ElfFile& elf,
                              const std::function<bool(ElfAddress place, ElfAddress value)>& visit) {
  constexpr uint64_t kAtOnce = 4096;
  if (elf.machine() != EM_X86_64 && elf.machine() != EM_AARCH64) return;
  const uint32_t relative = elf.machine() == EM_X86_64 ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE;
  uint64_t budget = kMaxRelocations;
  std::vector<Elf64_Rela> piece;
  for (const ElfFile::Section& section : elf.sections()) {
    if (section.type != SHT_RELA || (section.flags & SHF_ALLOC) == 0) continue;
    const uint64_t count = std::min(section.size / sizeof(Elf64_Rela), budget);
    budget -= count;
    for (uint64_t at = 0; at < count; at += piece.size()) {
      piece.resize(std::min(count - at, kAtOnce));
      if (!elf.ReadSectionAt(section, at * sizeof(Elf64_Rela), std::as_writable_bytes(std::span(piece))).ok()) break;
      for (const Elf64_Rela& entry : piece) {
        if (ELF64_R_TYPE(entry.r_info) != relative) continue;
        if (!visit(ElfAddress(entry.r_offset), ElfAddress(static_cast<uint64_t>(entry.r_addend)))) return;
      }
    }
  }
}

}  // namespace kiln::symbolizer
