// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/symbol_candidates.h"

#include <elf.h>

#include <algorithm>

#include "symbolizer/symbol_table.h"

namespace kiln::symbolizer {
namespace {

void AddRegion(ElfAddress address, uint64_t size, std::vector<CodeRegion>& regions) {
  if (size == 0) return;
  const uint64_t start = address.value();
  regions.push_back({.start = start, .end = start > UINT64_MAX - size ? UINT64_MAX : start + size});
}

std::optional<uint8_t> RankOf(const Elf64_Sym& symbol) {
  if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS || symbol.st_shndx == SHN_COMMON) return std::nullopt;
  uint8_t rank = symbol.st_size == 0 ? SymbolCandidate::kSizeless : 0;
  switch (ELF64_ST_TYPE(symbol.st_info)) {
    case STT_FUNC:
    case STT_GNU_IFUNC: break;
    case STT_NOTYPE: rank |= SymbolCandidate::kUntyped; break;
    default: return std::nullopt;
  }
  switch (ELF64_ST_BIND(symbol.st_info)) {
    case STB_LOCAL: rank |= SymbolCandidate::kLocal; break;
    case STB_WEAK: rank |= SymbolCandidate::kWeak; break;
    default: break;  // STB_GLOBAL, STB_GNU_UNIQUE
  }
  return rank;
}

// Symbols of a relocatable file, whose values count from their section. Numbers of sections that do not fit the 16 bits
// of a symbol stand in a table of their own.
class SectionStarts {
 public:
  SectionStarts(const ElfFile& elf, const ElfFile::Section& symbols) : elf_(elf) {
    if (!elf.relocatable()) return;
    for (const ElfFile::Section& section : elf.sections()) {
      const bool is_its = section.type == SHT_SYMTAB_SHNDX && section.link < elf.sections().size() &&
                          elf.sections()[section.link].offset == symbols.offset;
      if (is_its) numbers_ = &section;
    }
  }

  // The numbers of the batch of `count` symbols from `first` on.
  Status Load(uint64_t first, size_t count) {
    if (numbers_ == nullptr) return absl::OkStatus();
    batch_.resize(count);
    return elf_.ReadSectionAt(*numbers_, first * sizeof(uint32_t), std::as_writable_bytes(std::span(batch_)));
  }

  // The address of the symbol at `i` of the batch; nullopt if its section has none.
  std::optional<uint64_t> AddressOf(const Elf64_Sym& symbol, size_t i) const {
    if (!elf_.relocatable()) return symbol.st_value;
    uint32_t number = symbol.st_shndx;
    if (number == SHN_XINDEX) {
      if (numbers_ == nullptr) return std::nullopt;
      number = batch_[i];
    } else if (number >= SHN_LORESERVE) {
      return std::nullopt;
    }
    if (number >= elf_.sections().size()) return std::nullopt;
    const ElfFile::Section& section = elf_.sections()[number];
    if ((section.flags & SHF_ALLOC) == 0 || symbol.st_value >= section.size) return std::nullopt;
    return section.address.value() + symbol.st_value;
  }

 private:
  const ElfFile& elf_;
  const ElfFile::Section* numbers_ = nullptr;
  std::vector<uint32_t> batch_;
};

}  // namespace

std::vector<CodeRegion> CodeRegionsOf(std::span<const ElfFile* const> files) {
  std::vector<CodeRegion> regions;
  constexpr uint64_t kCode = SHF_ALLOC | SHF_EXECINSTR;
  for (const ElfFile* elf : files) {
    if (!regions.empty()) break;
    for (const ElfFile::Section& section : elf->sections()) {
      // SHT_NOBITS counts: debug files keep the addresses of the sections that they left out.
      if ((section.flags & kCode) == kCode) AddRegion(section.address, section.size, regions);
    }
  }
  for (const ElfFile* elf : files) {
    if (!regions.empty()) break;
    for (const ElfFile::Segment& segment : elf->segments()) {
      if (segment.executable) AddRegion(segment.address, segment.memory_size, regions);
    }
  }
  std::ranges::sort(regions, {}, &CodeRegion::start);
  return regions;
}

const CodeRegion* CodeRegionAt(std::span<const CodeRegion> regions, uint64_t address) {
  const auto after = std::ranges::upper_bound(regions, address, {}, &CodeRegion::start);
  if (after == regions.begin()) return nullptr;
  const CodeRegion& region = *std::prev(after);
  return address < region.end ? &region : nullptr;
}

StatusOr<std::optional<SymbolSections>> FindSymbolSections(const ElfFile& elf, uint32_t type) {
  if (elf.sections().empty()) {
    if (type != SHT_DYNSYM) return std::nullopt;
    return ReadDynamicSection(elf).symbols;
  }
  const ElfFile::Section* symbols = elf.FindSectionOfType(type);
  if (symbols == nullptr) return std::nullopt;
  if (symbols->link >= elf.sections().size()) {
    return Error(absl::StatusCode::kDataLoss, "the symbol table names no string table");
  }
  return SymbolSections{.symbols = *symbols, .names = elf.sections()[symbols->link]};
}

Status ReadSymbolCandidates(const ElfFile& elf, const ElfFile::Section& symbols, std::span<const CodeRegion> regions,
                            absl::FunctionRef<Status(const SymbolCandidate&)> take) {
  if (symbols.entry_size != sizeof(Elf64_Sym)) {
    return Error(absl::StatusCode::kDataLoss, "symbols of {} bytes", symbols.entry_size);
  }
  if (symbols.size > kMaxSymbolTableBytes) {
    return Error(absl::StatusCode::kResourceExhausted, "a symbol table of {} bytes; the limit is {}", symbols.size,
                 kMaxSymbolTableBytes);
  }
  constexpr uint64_t kBatch = 16 * 1024;
  const uint64_t count = symbols.size / sizeof(Elf64_Sym);
  std::vector<Elf64_Sym> batch(std::min(count, kBatch));
  SectionStarts starts(elf, symbols);
  for (uint64_t done = 0; done < count; done += batch.size()) {
    batch.resize(std::min(count - done, kBatch));
    KILN_RETURN_IF_ERROR(
        elf.ReadSectionAt(symbols, done * sizeof(Elf64_Sym), std::as_writable_bytes(std::span(batch))));
    KILN_RETURN_IF_ERROR(starts.Load(done, batch.size()));
    for (size_t i = 0; i < batch.size(); ++i) {
      const Elf64_Sym& symbol = batch[i];
      const std::optional<uint8_t> rank = RankOf(symbol);
      if (!rank || symbol.st_name == 0) continue;
      const std::optional<uint64_t> address = starts.AddressOf(symbol, i);
      if (!address || CodeRegionAt(regions, *address) == nullptr) continue;
      KILN_RETURN_IF_ERROR(take({.start = *address, .size = symbol.st_size, .name = symbol.st_name, .rank = *rank}));
    }
  }
  return absl::OkStatus();
}

}  // namespace kiln::symbolizer
