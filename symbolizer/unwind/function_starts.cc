// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/function_starts.h"

#include <elf.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>

namespace kiln::symbolizer {
namespace {

constexpr size_t kEntriesPerRead = 4096;

// Calls `visit` with each entry of a table of T.
template <typename T>
void VisitEntries(const ElfFile& elf, const ElfFile::Section& section, const std::function<void(const T&)>& visit) {
  std::vector<T> entries(kEntriesPerRead);
  const uint64_t count = std::min<uint64_t>(section.size / sizeof(T), kMaxFunctionStarts);
  for (uint64_t at = 0; at < count; at += kEntriesPerRead) {
    const auto part = std::span(entries).first(std::min<uint64_t>(kEntriesPerRead, count - at));
    if (!elf.ReadSectionAt(section, at * sizeof(T), std::as_writable_bytes(part)).ok()) return;
    for (const T& entry : part) visit(entry);
  }
}

void Normalize(std::vector<ElfAddress>& addresses) {
  std::ranges::sort(addresses);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
}

}  // namespace

FunctionStarts FindFunctionStarts(const ElfFile& elf) {
  FunctionStarts starts;
  const auto add = [&](std::vector<ElfAddress>& to, uint64_t address) {
    if (elf.ExecutableSegmentContaining(ElfAddress(address)) != nullptr) to.emplace_back(address);
  };
  add(starts.likely, elf.entry().value());
  for (const ElfFile::Section& section : elf.sections()) {
    if (section.type == SHT_SYMTAB || section.type == SHT_DYNSYM) {
      VisitEntries<Elf64_Sym>(elf, section, [&](const Elf64_Sym& symbol) {
        const auto type = ELF64_ST_TYPE(symbol.st_info);
        if ((type == STT_FUNC || type == STT_GNU_IFUNC) && symbol.st_shndx != SHN_UNDEF) {
          add(starts.known, symbol.st_value);
        }
      });
    } else if (section.type == SHT_RELA && elf.machine() == EM_X86_64) {
      VisitEntries<Elf64_Rela>(elf, section, [&](const Elf64_Rela& relocation) {
        const auto type = ELF64_R_TYPE(relocation.r_info);
        if (type != R_X86_64_RELATIVE && type != R_X86_64_IRELATIVE) return;
        add(starts.likely, static_cast<uint64_t>(relocation.r_addend));
      });
    }
  }
  Normalize(starts.known);
  Normalize(starts.likely);
  return starts;
}

}  // namespace kiln::symbolizer
