// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/symbol_table.h"

#include <absl/functional/function_ref.h>
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

// Hands on the functions of one symbol table section. Names are offsets in the section's string table.
Status ReadCandidates(const ElfFile& elf, const ElfFile::Section& section, const std::vector<Region>& regions,
                      absl::FunctionRef<Status(const Candidate&)> take) {
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
      KILN_RETURN_IF_ERROR(
          take({.start = symbol.st_value, .size = symbol.st_size, .name = symbol.st_name, .rank = *rank}));
    }
  }
  return absl::OkStatus();
}

// Which candidates decide what the names of some addresses are. It sees all of them twice: to learn, and to tell.
//
// The name of an address is that of the nearest symbol at or below it that covers it. Those with a size tell by
// themselves whether they do. One without size does if it starts at or above the nearest one with a size, and if it is
// no label (Resolver::DropLabels): that depends on the symbols between the two, and on how far those with a size below
// reach. Untyped ones with a size may turn out to be labels by their names, which are not known here: all are needed.
class Selection {
 public:
  // Sorted and distinct. Both must outlive the object.
  Selection(std::span<const uint64_t> addresses, const std::vector<Region>& regions)
      : addresses_(addresses), regions_(regions), below_(addresses.size()) {}

  void Learn(const Candidate& candidate) {
    is_empty_ = false;
    if ((candidate.rank & (kSizeless | kUntyped)) != 0) return;
    const size_t at = FirstNotBefore(candidate.start);
    if (at == addresses_.size()) return;
    Below& below = below_[at];
    below.nearest = std::max(below.nearest, candidate.start);
    below.farthest_end = std::max(below.farthest_end, SaturatingAdd(candidate.start, candidate.size));
  }

  // After the last Learn.
  void EndLearning() {
    for (size_t i = 1; i < below_.size(); ++i) {
      below_[i].nearest = std::max(below_[i].nearest, below_[i - 1].nearest);
      below_[i].farthest_end = std::max(below_[i].farthest_end, below_[i - 1].farthest_end);
    }
  }

  bool Needs(const Candidate& candidate) const {
    const size_t at = FirstNotBefore(candidate.start);
    if (at == addresses_.size()) return false;
    const Below& below = below_[at];
    if ((candidate.rank & kSizeless) != 0) return candidate.start >= below.nearest;
    if ((candidate.rank & kUntyped) != 0 || candidate.start == below.nearest) return true;
    const uint64_t end = SaturatingAdd(candidate.start, candidate.size);
    return end == below.farthest_end || addresses_[at] < std::min(end, RegionOf(regions_, candidate.start)->end);
  }

  // Whether there was no candidate at all.
  bool is_empty() const { return is_empty_; }

 private:
  // Of the typed candidates with a size that start at or below an address:
  struct Below {
    uint64_t nearest = 0;       // the highest start
    uint64_t farthest_end = 0;  // the highest end, not cut at the end of the region
  };

  size_t FirstNotBefore(uint64_t start) const {
    return static_cast<size_t>(std::ranges::lower_bound(addresses_, start) - addresses_.begin());
  }

  std::span<const uint64_t> addresses_;
  const std::vector<Region>& regions_;
  std::vector<Below> below_;  // by address
  bool is_empty_ = true;
};

// The candidates of one section that are needed, with their names in `pool`, appended to `all`. A section that cannot
// be read adds none.
Status ReadTable(const ElfFile& elf, uint32_t type, const std::vector<Region>& regions, const Selection* selection,
                 std::vector<Candidate>& all, NamePool& pool) {
  const ElfFile::Section* section = elf.FindSectionOfType(type);
  if (section == nullptr) return absl::OkStatus();
  if (section->link >= elf.sections().size()) {
    return Error(absl::StatusCode::kDataLoss, "the symbol table names no string table");
  }
  std::vector<Candidate> found;
  KILN_RETURN_IF_ERROR(ReadCandidates(elf, *section, regions, [&](const Candidate& candidate) -> Status {
    if (selection != nullptr && !selection->Needs(candidate)) return absl::OkStatus();
    if (found.size() == kMaxFunctions) {
      return Error(absl::StatusCode::kResourceExhausted, "more than {} functions", kMaxFunctions);
    }
    found.push_back(candidate);
    return absl::OkStatus();
  }));
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
    // Stable, so that a part of them comes in the order of the whole.
    std::ranges::stable_sort(candidates, [this](const Candidate& a, const Candidate& b) {
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

constexpr uint32_t kTables[] = {SHT_SYMTAB, SHT_DYNSYM};

// Without a selection all of them.
StatusOr<NamedIntervals> ReadFunctions(const ElfFile& elf, const std::vector<Region>& regions,
                                       const Selection* selection) {
  std::vector<Candidate> candidates;
  NamePool names;
  Status status = elf.section_status();
  for (const uint32_t type : kTables) status.Update(ReadTable(elf, type, regions, selection, candidates, names));
  if (candidates.empty()) {
    const bool are_elsewhere = selection != nullptr && !selection->is_empty();
    if (!status.ok() && !are_elsewhere) return status;
    return NamedIntervals();
  }
  return NamedIntervals(Resolver(names, regions).Resolve(std::move(candidates)), names);
}

}  // namespace

StatusOr<SymbolTable> SymbolTable::Read(const ElfFile& elf) {
  KILN_ASSIGN_OR_RETURN(NamedIntervals functions, ReadFunctions(elf, ExecutableRegions(elf), nullptr));
  SymbolTable table;
  table.functions_ = std::move(functions);
  table.has_functions_ = !table.functions_.empty();
  return table;
}

StatusOr<SymbolTable> SymbolTable::ReadFor(const ElfFile& elf, std::span<const uint64_t> addresses) {
  const std::vector<Region> regions = ExecutableRegions(elf);
  Selection selection(addresses, regions);
  for (const uint32_t type : kTables) {
    const ElfFile::Section* section = elf.FindSectionOfType(type);
    if (section == nullptr) continue;
    // What can't be read is said below.
    (void)ReadCandidates(elf, *section, regions, [&selection](const Candidate& candidate) {
      selection.Learn(candidate);
      return absl::OkStatus();
    });
  }
  selection.EndLearning();
  KILN_ASSIGN_OR_RETURN(NamedIntervals functions, ReadFunctions(elf, regions, &selection));
  SymbolTable table;
  table.functions_ = std::move(functions);
  table.has_functions_ = !selection.is_empty();
  return table;
}

Naming SymbolTable::Lookup(ElfAddress address) const {
  if (!has_functions_) return MissOf(Miss::kNoSymbols);
  const std::string_view name = LookupRaw(address);
  return name.empty() ? MissOf(Miss::kNotCovered) : NamingOf(name);
}

}  // namespace kiln::symbolizer
