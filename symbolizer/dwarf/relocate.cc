// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/relocate.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

namespace kiln::symbolizer::dwarf {
namespace {

constexpr uint64_t kMaxRelocationBytes = uint64_t{1} << 30;
constexpr uint64_t kMaxRelocatedSymbolBytes = uint64_t{256} << 20;

// Bytes of the place that is filled; 0 for types that don't occur in debug information.
uint8_t Width(uint16_t machine, uint32_t type) {
  if (machine == EM_X86_64) {
    switch (type) {
      case R_X86_64_64:
      case R_X86_64_DTPOFF64: return 8;
      case R_X86_64_32:
      case R_X86_64_32S:
      case R_X86_64_DTPOFF32: return 4;
      case R_X86_64_16: return 2;
      case R_X86_64_8: return 1;
      default: return 0;
    }
  }
  if (machine == EM_AARCH64) {
    switch (type) {
      case R_AARCH64_ABS64: return 8;
      case R_AARCH64_ABS32: return 4;
      case R_AARCH64_ABS16: return 2;
      default: return 0;
    }
  }
  return 0;
}

template <typename T>
std::vector<T> Records(const std::vector<std::byte>& bytes) {
  std::vector<T> records(bytes.size() / sizeof(T));
  if (!records.empty()) std::memcpy(records.data(), bytes.data(), records.size() * sizeof(T));
  return records;
}

uint64_t ValueOf(const ElfFile& elf, const Elf64_Sym& symbol) {
  const bool in_section = symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < elf.sections().size();
  return symbol.st_value + (in_section ? elf.sections()[symbol.st_shndx].address.value() : 0);
}

bool IsTableFor(const ElfFile::Section& table, uint64_t index) { return table.type == SHT_RELA && table.info == index; }

uint64_t IndexOf(const ElfFile& elf, const ElfFile::Section& section) {
  return static_cast<uint64_t>(&section - elf.sections().data());
}

}  // namespace

bool HasRelocations(const ElfFile& elf, const ElfFile::Section& section) {
  const uint64_t index = IndexOf(elf, section);
  return elf.relocatable() &&
         std::ranges::any_of(elf.sections(), [&](const auto& table) { return IsTableFor(table, index); });
}

Status ApplyRelocations(const ElfFile& elf, const ElfFile::Section& section, std::span<std::byte> bytes) {
  const uint64_t index = IndexOf(elf, section);
  for (const ElfFile::Section& table : elf.sections()) {
    if (!IsTableFor(table, index)) continue;
    if (table.link >= elf.sections().size()) {
      return Error(absl::StatusCode::kDataLoss, "relocations of section {} without symbols", elf.SectionName(section));
    }
    KILN_ASSIGN_OR_RETURN(const auto symbol_bytes,
                          elf.ReadSection(elf.sections()[table.link], kMaxRelocatedSymbolBytes));
    KILN_ASSIGN_OR_RETURN(const auto relocation_bytes, elf.ReadSection(table, kMaxRelocationBytes));
    const auto symbols = Records<Elf64_Sym>(symbol_bytes);
    for (const auto& relocation : Records<Elf64_Rela>(relocation_bytes)) {
      const uint8_t width = Width(elf.machine(), ELF64_R_TYPE(relocation.r_info));
      if (width == 0) continue;
      const uint64_t symbol = ELF64_R_SYM(relocation.r_info);
      if (symbol >= symbols.size() || relocation.r_offset > bytes.size() ||
          bytes.size() - relocation.r_offset < width) {
        return Error(absl::StatusCode::kDataLoss, "a relocation outside of section {}", elf.SectionName(section));
      }
      const uint64_t value = ValueOf(elf, symbols[symbol]) + static_cast<uint64_t>(relocation.r_addend);
      std::memcpy(bytes.data() + relocation.r_offset, &value, width);
    }
    break;
  }
  return absl::OkStatus();
}

}  // namespace kiln::symbolizer::dwarf
