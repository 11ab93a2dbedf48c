// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/thread_variable.h"

#include <elf.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "symbolizer/dynamic_section.h"

namespace kiln::symbolizer {
namespace {

// Large programs have some 100,000 symbols and 1,000,000 relocations. Tables are read piece by piece.
constexpr uint64_t kMaxTableBytes = 256 << 20;
constexpr size_t kPieceEntries = 4096;
// Whose names are looked at. Large programs have some hundred.
constexpr int kMaxThreadLocals = 64 << 10;

// Calls `visit` with each entry and its number until that returns false.
template <typename Entry, typename Visit>
Status VisitTable(const ElfFile& elf, const ElfFile::Section& table, Visit visit) {
  const uint64_t count = std::min(table.size, kMaxTableBytes) / sizeof(Entry);
  std::vector<Entry> piece(kPieceEntries);
  for (uint64_t first = 0; first < count; first += kPieceEntries) {
    const std::span entries = std::span(piece).first(std::min<uint64_t>(kPieceEntries, count - first));
    KILN_RETURN_IF_ERROR(elf.ReadSectionAt(table, first * sizeof(Entry), std::as_writable_bytes(entries)));
    for (uint64_t i = 0; i < entries.size(); ++i) {
      if (!visit(entries[i], first + i)) return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

bool HasName(const ElfFile& elf, const ElfFile::Section& names, uint64_t offset, std::string_view name) {
  std::string text(name.size() + 1, 'x');
  if (offset > names.size || text.size() > names.size - offset) return false;
  if (!elf.ReadSectionAt(names, offset, std::as_writable_bytes(std::span(text))).ok()) return false;
  return text.ends_with('\0') && std::string_view(text).substr(0, name.size()) == name;
}

struct FoundSymbol {
  uint64_t number;
  Elf64_Sym symbol;
};

StatusOr<std::optional<FoundSymbol>> FindSymbol(const ElfFile& elf, const SymbolSections& sections,
                                                std::string_view name) {
  std::optional<FoundSymbol> found;
  int looked_at = 0;
  KILN_RETURN_IF_ERROR(VisitTable<Elf64_Sym>(elf, sections.symbols, [&](const Elf64_Sym& symbol, uint64_t number) {
    if (ELF64_ST_TYPE(symbol.st_info) != STT_TLS || symbol.st_shndx == SHN_UNDEF) return true;
    if (HasName(elf, sections.names, symbol.st_name, name)) found = {.number = number, .symbol = symbol};
    return !found && ++looked_at < kMaxThreadLocals;
  }));
  return found;
}

// Programs without dynamic linker have no other table.
std::optional<SymbolSections> AllSymbols(const ElfFile& elf) {
  const ElfFile::Section* const symbols = elf.FindSectionOfType(SHT_SYMTAB);
  if (symbols == nullptr || symbols->link >= elf.sections().size()) return std::nullopt;
  return SymbolSections{.symbols = *symbols, .names = elf.sections()[symbols->link]};
}

struct RelocationTypes {
  uint32_t module, offset, descriptor;
};

std::optional<RelocationTypes> TypesOf(uint16_t machine) {
  switch (machine) {
    case EM_X86_64: return RelocationTypes{R_X86_64_DTPMOD64, R_X86_64_TPOFF64, R_X86_64_TLSDESC};
    case EM_AARCH64: return RelocationTypes{R_AARCH64_TLS_DTPMOD, R_AARCH64_TLS_TPREL, R_AARCH64_TLSDESC};
    default: return std::nullopt;
  }
}

// From the thread pointer to a variable of the program: the block of its TLS segment lies right before the thread
// pointer (x86-64), or behind two words that the thread pointer points to (AArch64).
std::optional<int64_t> OffsetInProgram(const ElfFile& elf, uint64_t block_offset) {
  const std::optional<ElfFile::TlsSegment>& tls = elf.tls();
  if (!tls || tls->memory_size > INT32_MAX || block_offset >= tls->memory_size || tls->alignment > INT32_MAX) {
    return std::nullopt;
  }
  const uint64_t alignment = std::max<uint64_t>(tls->alignment, 1);
  if ((alignment & (alignment - 1)) != 0) return std::nullopt;
  const auto round_up = [alignment](uint64_t value) { return (value + alignment - 1) & -alignment; };
  if (elf.machine() == EM_AARCH64) return static_cast<int64_t>(round_up(2 * sizeof(uint64_t)) + block_offset);
  return static_cast<int64_t>(block_offset) - static_cast<int64_t>(round_up(tls->memory_size));
}

// How much each way tells: an offset needs no more, a descriptor may have to be followed.
int Rank(ThreadVariable::Access access) { return static_cast<int>(access); }

}  // namespace

StatusOr<ThreadVariable> FindThreadVariable(const ElfFile& elf, std::string_view name, bool is_program) {
  const std::optional<RelocationTypes> types = TypesOf(elf.machine());
  if (!types) return Error(absl::StatusCode::kUnimplemented, "thread-local variables of this machine");
  const DynamicSection dynamic = ReadDynamicSection(elf);
  std::optional<FoundSymbol> found;
  if (dynamic.symbols) {
    KILN_ASSIGN_OR_RETURN(found, FindSymbol(elf, *dynamic.symbols, name));
  }
  const bool exported = found.has_value();
  if (const auto all = AllSymbols(elf); !found && is_program && all) {
    KILN_ASSIGN_OR_RETURN(found, FindSymbol(elf, *all, name));
  }
  if (!found) return Error(absl::StatusCode::kNotFound, "no thread-local variable {}", name);

  ThreadVariable variable{.block_offset = found->symbol.st_value, .bytes = found->symbol.st_size};
  if (is_program) {
    const std::optional<int64_t> offset = OffsetInProgram(elf, variable.block_offset);
    if (!offset) return Error(absl::StatusCode::kDataLoss, "no TLS segment has the variable {}", name);
    variable.thread_offset = *offset;
    return variable;
  }
  std::optional<ThreadVariable::Access> best;
  const auto take = [&](ThreadVariable::Access access, uint64_t slot) {
    if (best && Rank(*best) <= Rank(access)) return;
    best = access;
    variable.access = access;
    variable.slot = ElfAddress(slot);
  };
  for (const ElfFile::Section& table : dynamic.relocations) {
    KILN_RETURN_IF_ERROR(VisitTable<Elf64_Rela>(elf, table, [&](const Elf64_Rela& entry, uint64_t) {
      const auto type = static_cast<uint32_t>(ELF64_R_TYPE(entry.r_info));
      const uint64_t symbol = ELF64_R_SYM(entry.r_info);
      // Without a symbol it is a variable of this file, by its offset: the linker knew that no other file's can take
      // its place (-Bsymbolic).
      const bool names_it = exported && symbol == found->number && entry.r_addend == 0;
      const bool means_it = symbol == 0 && static_cast<uint64_t>(entry.r_addend) == variable.block_offset;
      if (type == types->module && (names_it || symbol == 0)) {
        take(ThreadVariable::Access::kModuleSlot, entry.r_offset);  // the file's number, whatever variable it is for
      } else if (type == types->offset && (names_it || means_it)) {
        take(ThreadVariable::Access::kOffsetSlot, entry.r_offset);
      } else if (type == types->descriptor && (names_it || means_it)) {
        take(ThreadVariable::Access::kDescriptor, entry.r_offset);
      }
      return true;
    }));
  }
  if (!best) {
    return Error(absl::StatusCode::kFailedPrecondition, "nothing in the file leads to its thread-local variable {}",
                 name);
  }
  return variable;
}

}  // namespace kiln::symbolizer
