// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/plt_symbols.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "symbolizer/dynamic_section.h"
#include "symbolizer/name_pool.h"
#include "symbolizer/plt_code.h"
#include "symbolizer/string_table.h"
#include "symbolizer/symbol_table.h"

namespace kiln::symbolizer {
namespace {

constexpr uint64_t kMaxRelocationBytes = uint64_t{512} << 20;
// Of code that is searched for stubs. Without section headers that is all code, but linkers put the stubs in front.
constexpr uint64_t kMaxSearchedBytes = 64 << 20;

struct RelocationTypes {
  uint32_t jump_slot, global_data, resolver;
};
std::optional<RelocationTypes> TypesOf(uint16_t machine) {
  switch (machine) {
    case EM_X86_64: return RelocationTypes{R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT, R_X86_64_IRELATIVE};
    case EM_AARCH64: return RelocationTypes{R_AARCH64_JUMP_SLOT, R_AARCH64_GLOB_DAT, R_AARCH64_IRELATIVE};
    default: return std::nullopt;
  }
}

struct Stub {
  uint64_t address;
  uint64_t size;
  uint64_t slot;
};

// An entry of the global offset table, and what its relocation says of it.
struct Slot {
  uint64_t address;
  uint32_t symbol = 0;    // index in .dynsym; 0 = none
  uint64_t resolver = 0;  // address of the function that chooses the function; 0 = none
  uint32_t name = 0;      // in a pool, later
};

// Appends what looks like stubs of `bytes` from `address` on.
void FindStubs(const ElfFile& elf, ElfAddress address, uint64_t bytes, std::vector<Stub>& stubs) {
  constexpr uint64_t kWindow = 1 << 20;
  const uint64_t alignment = elf.machine() == EM_X86_64 ? kPltStubAlignmentX86 : kPltStubAlignmentArm64;
  std::vector<std::byte> window;
  uint64_t done = 0;
  while (done < bytes) {
    window.resize(std::min(bytes - done, kWindow));
    if (!elf.ReadAddress(ElfAddress(address.value() + done), window).ok()) return;
    const bool is_last = done + window.size() == bytes;
    uint64_t at = 0;
    // A stub at the end of the window is left to the next one, which begins with it.
    while (at < window.size() && (is_last || window.size() - at >= kMaxPltStubBytes)) {
      const std::span<const std::byte> code = std::span(window).subspan(at);
      const uint64_t here = address.value() + done + at;
      const auto stub = DecodePltStub(elf.machine(), here, code.first(std::min(code.size(), kMaxPltStubBytes)));
      if (stub && stubs.size() < kMaxPltStubs) {
        stubs.push_back({.address = here, .size = stub->size, .slot = stub->slot});
      }
      at += stub ? stub->size : alignment;
    }
    done += std::min<uint64_t>(at, window.size());
  }
}

// The section that holds the symbols, and the sections of relocations that tell about slots.
struct Tables {
  std::optional<SymbolSections> symbols;
  std::vector<ElfFile::Section> relocations;
};

Tables FindTables(const ElfFile& elf) {
  if (elf.sections().empty()) {
    DynamicSection dynamic = ReadDynamicSection(elf);
    return {.symbols = dynamic.symbols, .relocations = std::move(dynamic.relocations)};
  }
  Tables tables;
  const ElfFile::Section* symbols = elf.FindSectionOfType(SHT_DYNSYM);
  if (symbols != nullptr && symbols->link < elf.sections().size()) {
    tables.symbols = SymbolSections{.symbols = *symbols, .names = elf.sections()[symbols->link]};
  }
  for (const ElfFile::Section& section : elf.sections()) {
    if (section.type == SHT_RELA && (section.flags & SHF_ALLOC) != 0) tables.relocations.push_back(section);
  }
  return tables;
}

// Notes in `slots`, sorted by address, what their relocations say.
void ReadRelocations(const ElfFile& elf, const ElfFile::Section& section, const RelocationTypes& types,
                     bool jump_slots_only, std::vector<Slot>& slots) {
  constexpr uint64_t kBatch = 16 * 1024;
  const uint64_t count = section.size / sizeof(Elf64_Rela);
  std::vector<Elf64_Rela> batch;
  for (uint64_t done = 0; done < count; done += batch.size()) {
    batch.resize(std::min(count - done, kBatch));
    const auto bytes = std::as_writable_bytes(std::span(batch));
    if (!elf.ReadSectionAt(section, done * sizeof(Elf64_Rela), bytes).ok()) return;
    for (const Elf64_Rela& relocation : batch) {
      const auto type = static_cast<uint32_t>(ELF64_R_TYPE(relocation.r_info));
      const bool names_symbol = type == types.jump_slot || (type == types.global_data && !jump_slots_only);
      if (!names_symbol && type != types.resolver) continue;
      const auto slot = std::ranges::lower_bound(slots, relocation.r_offset, {}, &Slot::address);
      if (slot == slots.end() || slot->address != relocation.r_offset) continue;
      if (names_symbol) {
        slot->symbol = static_cast<uint32_t>(ELF64_R_SYM(relocation.r_info));
      } else {
        slot->resolver = static_cast<uint64_t>(relocation.r_addend);
      }
    }
  }
}

// Sorted by address, each once.
std::vector<Slot> SlotsOf(const std::vector<Stub>& stubs) {
  std::vector<Slot> slots;
  slots.reserve(stubs.size());
  for (const Stub& stub : stubs) slots.push_back({.address = stub.slot});
  std::ranges::sort(slots, {}, &Slot::address);
  const auto doubles = std::ranges::unique(slots, {}, &Slot::address);
  slots.erase(doubles.begin(), doubles.end());
  return slots;
}

// Puts the names of the symbols into `pool`.
void ReadNames(const ElfFile& elf, const SymbolSections& sections, std::vector<Slot>& slots, NamePool& pool) {
  if (sections.symbols.entry_size != sizeof(Elf64_Sym)) return;
  std::vector<uint32_t*> names;
  for (Slot& slot : slots) {
    Elf64_Sym symbol{};
    const auto bytes = std::as_writable_bytes(std::span(&symbol, 1));
    const bool is_read =
        slot.symbol != 0 && elf.ReadSectionAt(sections.symbols, uint64_t{slot.symbol} * sizeof(symbol), bytes).ok();
    if (!is_read || symbol.st_name == 0) continue;
    slot.name = symbol.st_name;
    names.push_back(&slot.name);
  }
  if (CopyNames(elf, sections.names, names, pool).ok()) return;
  for (uint32_t* name : names) *name = 0;
}

// Functions that the program itself chooses at its start have no symbol in the relocation, but perhaps at the address
// of the function that chooses. objdump leaves it at that address.
std::string ResolverName(const SymbolTable* symbols, uint64_t resolver) {
  const std::string_view name = symbols != nullptr ? symbols->LookupRaw(ElfAddress(resolver)) : "";
  return name.empty() ? fmt::format("*ABS*+{:#x}@plt", resolver) : fmt::format("{}@plt", name);
}

std::optional<SymbolTable> ResolverSymbols(const ElfFile& elf, const std::vector<Slot>& slots) {
  std::vector<uint64_t> addresses;
  for (const Slot& slot : slots) {
    if (slot.resolver != 0) addresses.push_back(slot.resolver);
  }
  if (addresses.empty()) return std::nullopt;
  std::ranges::sort(addresses);
  const auto doubles = std::ranges::unique(addresses);
  addresses.erase(doubles.begin(), doubles.end());
  StatusOr<SymbolTable> table = SymbolTable::ReadFor(elf, addresses);
  if (!table.ok()) return std::nullopt;
  return *std::move(table);
}

std::vector<Stub> FindAllStubs(const ElfFile& elf) {
  std::vector<Stub> stubs;
  uint64_t budget = kMaxSearchedBytes;
  const auto search = [&](ElfAddress address, uint64_t size) {
    const uint64_t bytes = std::min({budget, size, elf.BytesFrom(address)});
    FindStubs(elf, address, bytes, stubs);
    budget -= bytes;
  };
  for (const ElfFile::Section& section : elf.sections()) {
    const std::string_view name = elf.SectionName(section);
    const bool is_plt = name == ".plt" || name.starts_with(".plt.") || name == ".iplt";
    if (is_plt && section.type == SHT_PROGBITS) search(section.address, section.size);
  }
  if (!elf.sections().empty()) return stubs;
  for (const ElfFile::Segment& segment : elf.segments()) {
    if (segment.executable) search(segment.address, segment.file_size);
  }
  return stubs;
}

}  // namespace

std::vector<PltStub> ReadPltStubs(const ElfFile& elf) {
  const std::optional<RelocationTypes> types = TypesOf(elf.machine());
  if (!types || elf.relocatable()) return {};
  const std::vector<Stub> stubs = FindAllStubs(elf);
  if (stubs.empty()) return {};

  std::vector<Slot> slots = SlotsOf(stubs);
  const Tables tables = FindTables(elf);
  uint64_t budget = kMaxRelocationBytes;
  for (const ElfFile::Section& section : tables.relocations) {
    if (section.entry_size != sizeof(Elf64_Rela) || section.size > budget) continue;
    budget -= section.size;
    // Where stubs are not known by their section, a tail call through a slot of data would look like one.
    ReadRelocations(elf, section, *types, elf.sections().empty(), slots);
  }
  NamePool pool;
  if (tables.symbols) ReadNames(elf, *tables.symbols, slots, pool);
  const std::optional<SymbolTable> resolvers = ResolverSymbols(elf, slots);

  std::vector<PltStub> result;
  for (const Stub& stub : stubs) {
    const Slot& slot = *std::ranges::lower_bound(slots, stub.slot, {}, &Slot::address);
    if (slot.name == 0 && slot.resolver == 0) continue;
    result.push_back({.address = ElfAddress(stub.address),
                      .size = stub.size,
                      .name = slot.name != 0 ? fmt::format("{}@plt", pool.At(slot.name))
                                             : ResolverName(resolvers ? &*resolvers : nullptr, slot.resolver)});
  }
  std::ranges::sort(result, {}, &PltStub::address);
  return result;
}

}  // namespace kiln::symbolizer
