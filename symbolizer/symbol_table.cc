// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/symbol_table.h"

#include <elf.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "symbolizer/string_table.h"

namespace kiln::symbolizer {
namespace {

// A stretch of executable addresses: a section, or a segment where there are no sections.
struct Region {
  uint64_t start;
  uint64_t end;
};

struct Candidate {
  uint64_t start;
  uint64_t size;
  uint32_t name;  // in the string table first, in the pool later
  uint8_t rank;   // smaller is better
};

constexpr uint8_t kSizeless = 8;
constexpr uint8_t kUntyped = 4;
constexpr uint8_t kWeak = 1;
constexpr uint8_t kLocal = 2;
constexpr uint8_t kBindingMask = 3;

uint64_t SaturatingAdd(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

// Sorted by start.
std::vector<Region> ExecutableRegions(const ElfFile& elf) {
  std::vector<Region> regions;
  const auto add = [&](ElfAddress address, uint64_t size) {
    if (size != 0) regions.push_back({.start = address.value(), .end = SaturatingAdd(address.value(), size)});
  };
  constexpr uint64_t kCode = SHF_ALLOC | SHF_EXECINSTR;
  for (const ElfFile::Section& section : elf.sections()) {
    // SHT_NOBITS counts: debug files keep the addresses of the sections that they left out.
    if ((section.flags & kCode) == kCode) add(section.address, section.size);
  }
  if (regions.empty()) {
    for (const ElfFile::Segment& segment : elf.segments()) {
      if (segment.executable) add(segment.address, segment.memory_size);
    }
  }
  std::ranges::sort(regions, {}, &Region::start);
  return regions;
}

const Region* RegionOf(const std::vector<Region>& regions, uint64_t address) {
  const auto after = std::ranges::upper_bound(regions, address, {}, &Region::start);
  if (after == regions.begin()) return nullptr;
  const Region& region = *std::prev(after);
  return address < region.end ? &region : nullptr;
}

std::optional<uint8_t> RankOf(const Elf64_Sym& symbol) {
  if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS || symbol.st_shndx == SHN_COMMON) return std::nullopt;
  uint8_t rank = symbol.st_size == 0 ? kSizeless : 0;
  switch (ELF64_ST_TYPE(symbol.st_info)) {
    case STT_FUNC:
    case STT_GNU_IFUNC: break;
    case STT_NOTYPE: rank |= kUntyped; break;
    default: return std::nullopt;
  }
  switch (ELF64_ST_BIND(symbol.st_info)) {
    case STB_LOCAL: rank |= kLocal; break;
    case STB_WEAK: rank |= kWeak; break;
    default: break;  // STB_GLOBAL, STB_GNU_UNIQUE
  }
  return rank;
}

// Appends the functions of one symbol table section. Names are offsets in the section's string table.
Status ReadCandidates(const ElfFile& elf, const ElfFile::Section& section, const std::vector<Region>& regions,
                      std::vector<Candidate>& candidates) {
  if (section.entry_size != sizeof(Elf64_Sym)) {
    return Error(absl::StatusCode::kDataLoss, "symbols of {} bytes", section.entry_size);
  }
  if (section.size > kMaxSymbolTableBytes) {
    return Error(absl::StatusCode::kResourceExhausted, "a symbol table of {} bytes; the limit is {}", section.size,
                 kMaxSymbolTableBytes);
  }
  constexpr uint64_t kBatch = 16 * 1024;
  const uint64_t count = section.size / sizeof(Elf64_Sym);
  std::vector<Elf64_Sym> batch(std::min(count, kBatch));
  for (uint64_t done = 0; done < count; done += batch.size()) {
    batch.resize(std::min(count - done, kBatch));
    KILN_RETURN_IF_ERROR(
        elf.ReadSectionAt(section, done * sizeof(Elf64_Sym), std::as_writable_bytes(std::span(batch))));
    for (const Elf64_Sym& symbol : batch) {
      const std::optional<uint8_t> rank = RankOf(symbol);
      if (!rank || symbol.st_name == 0 || RegionOf(regions, symbol.st_value) == nullptr) continue;
      if (candidates.size() == kMaxFunctions) {
        return Error(absl::StatusCode::kResourceExhausted, "more than {} functions", kMaxFunctions);
      }
      candidates.push_back({.start = symbol.st_value, .size = symbol.st_size, .name = symbol.st_name, .rank = *rank});
    }
  }
  return absl::OkStatus();
}

// The candidates of one section with their names in `pool`, appended to `all`. A section that cannot be read adds none.
Status ReadTable(const ElfFile& elf, uint32_t type, const std::vector<Region>& regions, std::vector<Candidate>& all,
                 NamePool& pool) {
  const ElfFile::Section* section = elf.FindSectionOfType(type);
  if (section == nullptr) return absl::OkStatus();
  if (section->link >= elf.sections().size()) {
    return Error(absl::StatusCode::kDataLoss, "the symbol table names no string table");
  }
  std::vector<Candidate> found;
  KILN_RETURN_IF_ERROR(ReadCandidates(elf, *section, regions, found));
  std::vector<uint32_t*> names;
  names.reserve(found.size());
  for (Candidate& candidate : found) names.push_back(&candidate.name);
  KILN_RETURN_IF_ERROR(CopyNames(elf, elf.sections()[section->link], std::move(names), pool));
  std::erase_if(found, [](const Candidate& candidate) { return candidate.name == 0; });
  all.insert(all.end(), found.begin(), found.end());
  return absl::OkStatus();
}

size_t LeadingUnderscores(std::string_view name) { return std::min(name.find_first_not_of('_'), name.size()); }

// True for names that assemblers and tools give to places in the code that are no functions.
bool IsLabelName(std::string_view name) {
  if (name.starts_with(".L") || name.starts_with(".annobin")) return true;
  // Mapping symbols of ARM and RISC-V: $x, $d, $x.123, $xrv64…
  return name.size() >= 2 && name[0] == '$' && std::string_view("adtx").find(name[1]) != std::string_view::npos &&
         (name.size() == 2 || name[2] == '.' || name.starts_with("$xrv"));
}

class Resolver {
 public:
  Resolver(const NamePool& pool, const std::vector<Region>& regions) : pool_(pool), regions_(regions) {}

  // The ranges in the order of painting: by start, and at one start the best last.
  std::vector<IntervalMap::Range> Resolve(std::vector<Candidate> candidates) {
    std::erase_if(candidates, [this](const Candidate& candidate) {
      return (candidate.rank & kUntyped) != 0 && IsLabelName(Text(candidate));
    });
    std::ranges::sort(candidates, [this](const Candidate& a, const Candidate& b) {
      return a.start != b.start ? a.start < b.start : Better(b, a);
    });
    DropLabels(candidates);
    std::vector<IntervalMap::Range> ranges;
    ranges.reserve(candidates.size());
    uint64_t next_start = UINT64_MAX;
    for (size_t i = candidates.size(); i-- > 0;) {
      const Candidate& candidate = candidates[i];
      if (i + 1 < candidates.size() && candidates[i + 1].start != candidate.start) next_start = candidates[i + 1].start;
      const uint64_t reach = candidate.size != 0 ? SaturatingAdd(candidate.start, candidate.size) : next_start;
      const uint64_t end = std::min(reach, RegionOf(regions_, candidate.start)->end);
      ranges.push_back({.start = candidate.start, .end = end, .value = candidate.name});
    }
    std::ranges::reverse(ranges);
    return ranges;
  }

 private:
  bool Better(const Candidate& a, const Candidate& b) const {
    if (a.rank != b.rank) return a.rank < b.rank;
    const std::string_view name_a = Text(a);
    const std::string_view name_b = Text(b);
    const size_t underscores_a = LeadingUnderscores(name_a);
    const size_t underscores_b = LeadingUnderscores(name_b);
    return underscores_a != underscores_b ? underscores_a < underscores_b : name_a < name_b;
  }

  // Removes what only marks a place in a function: symbols without size beside or inside of sized ones.
  void DropLabels(std::vector<Candidate>& sorted) const {
    uint64_t sized_end = 0;     // how far the sized symbols so far reach
    std::string_view function;  // the symbol before that was kept
    size_t kept = 0;
    for (size_t i = 0; i < sorted.size();) {
      size_t group_end = i;
      while (group_end < sorted.size() && sorted[group_end].start == sorted[i].start) ++group_end;
      const bool has_sized = (sorted[group_end - 1].rank & kSizeless) == 0;  // the best is last
      const uint64_t sized_end_before = sized_end;
      for (; i < group_end; ++i) {
        const Candidate& candidate = sorted[i];
        if ((candidate.rank & kSizeless) == 0) {
          sized_end = std::max(sized_end, SaturatingAdd(candidate.start, candidate.size));
        } else if (has_sized || IsLabel(candidate, sized_end_before, function)) {
          continue;
        }
        sorted[kept++] = candidate;
      }
      if (kept != 0) function = Text(sorted[kept - 1]);
    }
    sorted.resize(kept);
  }

  bool IsLabel(const Candidate& candidate, uint64_t sized_end, std::string_view function) const {
    if ((candidate.rank & kUntyped) == 0) return false;
    if (candidate.start < sized_end) return true;
    const std::string_view name = Text(candidate);
    return (candidate.rank & kBindingMask) == kLocal && !function.empty() && name.size() > function.size() &&
           name.starts_with(function) && name[function.size()] == '.';
  }

  // Enough of the name to tell symbols apart. Millions of aliases that differ in their last byte must not cost hours.
  std::string_view Text(const Candidate& candidate) const { return pool_.At(candidate.name, 256); }

  const NamePool& pool_;
  const std::vector<Region>& regions_;
};

}  // namespace

StatusOr<SymbolTable> SymbolTable::Read(const ElfFile& elf) {
  const std::vector<Region> regions = ExecutableRegions(elf);
  std::vector<Candidate> candidates;
  NamePool names;
  Status status = elf.section_status();
  for (const uint32_t type : {SHT_SYMTAB, SHT_DYNSYM}) {
    status.Update(ReadTable(elf, type, regions, candidates, names));
  }
  SymbolTable table;
  if (candidates.empty()) {
    if (!status.ok()) return status;
    return table;
  }

  table.functions_ = NamedIntervals(Resolver(names, regions).Resolve(std::move(candidates)), names);
  return table;
}

Naming SymbolTable::Lookup(ElfAddress address) const {
  if (functions_.empty()) return MissOf(Miss::kNoSymbols);
  const std::string_view name = LookupRaw(address);
  return name.empty() ? MissOf(Miss::kNotCovered) : NamingOf(name);
}

}  // namespace kiln::symbolizer
