// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/symbol_table.h"

#include <elf.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "symbolizer/string_table.h"
#include "symbolizer/symbol_candidates.h"

namespace kiln::symbolizer {
namespace {

// Which candidates decide what the names of some addresses are. It sees all of them twice: to learn, and to tell.
//
// The name of an address is that of the nearest symbol at or below it that covers it. Those with a size tell by
// themselves whether they do. One without size does if it starts at or above the nearest one with a size, and if it is
// no label (Resolver::DropLabels): that depends on the symbols between the two, and on how far those with a size below
// reach. Untyped ones with a size may turn out to be labels by their names, which are not known here: all are needed.
class Selection {
 public:
  // Sorted and distinct. Both must outlive the object.
  Selection(std::span<const uint64_t> addresses, const std::vector<CodeRegion>& regions)
      : addresses_(addresses), regions_(regions), below_(addresses.size()) {}

  void Learn(const SymbolCandidate& candidate) {
    if (candidate.Has(SymbolCandidate::kSizeless | SymbolCandidate::kUntyped)) return;
    const size_t at = FirstNotBefore(candidate.start);
    if (at == addresses_.size()) return;
    Below& below = below_[at];
    below.nearest = std::max(below.nearest, candidate.start);
    below.farthest_end = std::max(below.farthest_end, candidate.end());
  }

  // After the last Learn.
  void EndLearning() {
    for (size_t i = 1; i < below_.size(); ++i) {
      below_[i].nearest = std::max(below_[i].nearest, below_[i - 1].nearest);
      below_[i].farthest_end = std::max(below_[i].farthest_end, below_[i - 1].farthest_end);
    }
  }

  bool Needs(const SymbolCandidate& candidate) const {
    const size_t at = FirstNotBefore(candidate.start);
    if (at == addresses_.size()) return false;
    const Below& below = below_[at];
    if (candidate.Has(SymbolCandidate::kSizeless)) return candidate.start >= below.nearest;
    if (candidate.Has(SymbolCandidate::kUntyped) || candidate.start == below.nearest) return true;
    const uint64_t end = candidate.end();
    return end == below.farthest_end || addresses_[at] < std::min(end, CodeRegionAt(regions_, candidate.start)->end);
  }

  // Whether there was a candidate out of a symbol table.
  bool has_symbols() const { return has_symbols_; }
  void NoteSymbol() { has_symbols_ = true; }

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
  const std::vector<CodeRegion>& regions_;
  std::vector<Below> below_;  // by address
  bool has_symbols_ = false;
};

// The candidates of one section that are needed, with their names in `pool`, appended to `all`. A section that cannot
// be read adds none.
Status ReadTable(const ElfFile& elf, uint32_t type, const std::vector<CodeRegion>& regions, const Selection* selection,
                 std::vector<SymbolCandidate>& all, NamePool& pool) {
  KILN_ASSIGN_OR_RETURN(const std::optional<SymbolSections> sections, FindSymbolSections(elf, type));
  if (!sections) return absl::OkStatus();
  std::vector<SymbolCandidate> found;
  KILN_RETURN_IF_ERROR(
      ReadSymbolCandidates(elf, sections->symbols, regions, [&](const SymbolCandidate& candidate) -> Status {
        if (selection != nullptr && !selection->Needs(candidate)) return absl::OkStatus();
        if (all.size() + found.size() == kMaxFunctions) {
          return Error(absl::StatusCode::kResourceExhausted, "more than {} functions", kMaxFunctions);
        }
        found.push_back(candidate);
        return absl::OkStatus();
      }));
  std::vector<uint32_t*> names;
  names.reserve(found.size());
  for (SymbolCandidate& candidate : found) names.push_back(&candidate.name);
  KILN_RETURN_IF_ERROR(CopyNames(elf, sections->names, std::move(names), pool));
  std::erase_if(found, [](const SymbolCandidate& candidate) { return candidate.name == 0; });
  all.insert(all.end(), found.begin(), found.end());
  return absl::OkStatus();
}

// Without a name.
SymbolCandidate CandidateOf(const PltStub& stub) {
  return {.start = stub.address.value(), .size = stub.size, .name = 0, .rank = SymbolCandidate::kLocal};
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
  Resolver(const NamePool& pool, const std::vector<CodeRegion>& regions) : pool_(pool), regions_(regions) {}

  // The ranges in the order of painting: by start, and at one start the best last.
  std::vector<IntervalMap::Range> Resolve(std::vector<SymbolCandidate> candidates) {
    std::erase_if(candidates, [this](const SymbolCandidate& candidate) {
      return candidate.Has(SymbolCandidate::kUntyped) && IsLabelName(Text(candidate));
    });
    // Stable, so that a part of them comes in the order of the whole.
    std::ranges::stable_sort(candidates, [this](const SymbolCandidate& a, const SymbolCandidate& b) {
      return a.start != b.start ? a.start < b.start : Better(b, a);
    });
    DropLabels(candidates);
    std::vector<IntervalMap::Range> ranges;
    ranges.reserve(candidates.size());
    uint64_t next_start = UINT64_MAX;
    for (size_t i = candidates.size(); i-- > 0;) {
      const SymbolCandidate& candidate = candidates[i];
      if (i + 1 < candidates.size() && candidates[i + 1].start != candidate.start) next_start = candidates[i + 1].start;
      const uint64_t reach = candidate.size != 0 ? candidate.end() : next_start;
      const uint64_t end = std::min(reach, CodeRegionAt(regions_, candidate.start)->end);
      ranges.push_back({.start = candidate.start, .end = end, .value = candidate.name});
    }
    std::ranges::reverse(ranges);
    return ranges;
  }

 private:
  bool Better(const SymbolCandidate& a, const SymbolCandidate& b) const {
    if (a.rank != b.rank) return a.rank < b.rank;
    const std::string_view name_a = Text(a);
    const std::string_view name_b = Text(b);
    const size_t underscores_a = LeadingUnderscores(name_a);
    const size_t underscores_b = LeadingUnderscores(name_b);
    return underscores_a != underscores_b ? underscores_a < underscores_b : name_a < name_b;
  }

  // Removes what only marks a place in a function: symbols without size beside or inside of sized ones.
  void DropLabels(std::vector<SymbolCandidate>& sorted) const {
    Reach reach;                // of the sized symbols so far
    std::string_view function;  // the symbol before that was kept
    size_t kept = 0;
    for (size_t i = 0; i < sorted.size();) {
      size_t group_end = i;
      while (group_end < sorted.size() && sorted[group_end].start == sorted[i].start) ++group_end;
      const bool has_sized = !sorted[group_end - 1].Has(SymbolCandidate::kSizeless);  // the best is last
      const Reach reach_before = reach;
      for (; i < group_end; ++i) {
        const SymbolCandidate& candidate = sorted[i];
        if (!candidate.Has(SymbolCandidate::kSizeless)) {
          uint64_t& end = candidate.Has(SymbolCandidate::kUntyped) ? reach.untyped : reach.functions;
          end = std::max(end, candidate.end());
        } else if (has_sized || IsLabel(candidate, reach_before, function)) {
          continue;
        }
        sorted[kept++] = candidate;
      }
      if (kept != 0) function = Text(sorted[kept - 1]);
    }
    sorted.resize(kept);
  }

  // Up to where.
  struct Reach {
    uint64_t functions = 0;
    uint64_t untyped = 0;
  };
  bool IsLabel(const SymbolCandidate& candidate, const Reach& reach, std::string_view function) const {
    if (!candidate.Has(SymbolCandidate::kUntyped)) return false;
    if (candidate.start < reach.functions) return true;
    // A table of pieces of code is no function, and what others can name in it is none of its labels: the kernel's
    // __x86_indirect_its_thunk_array.
    if ((candidate.rank & SymbolCandidate::kBindingMask) != SymbolCandidate::kLocal) return false;
    if (candidate.start < reach.untyped) return true;
    const std::string_view name = Text(candidate);
    return !function.empty() && name.size() > function.size() && name.starts_with(function) &&
           name[function.size()] == '.';
  }

  // Enough of the name to tell symbols apart. Millions of aliases that differ in their last byte must not cost hours.
  std::string_view Text(const SymbolCandidate& candidate) const { return pool_.At(candidate.name, 256); }

  const NamePool& pool_;
  const std::vector<CodeRegion>& regions_;
};

constexpr uint32_t kTables[] = {SHT_SYMTAB, SHT_DYNSYM};

// Without a selection all of them. `has_symbols`: whether a symbol table has any, needed or not.
StatusOr<NamedIntervals> ReadFunctions(const SymbolSources& sources, const std::vector<CodeRegion>& regions,
                                       const Selection* selection, bool& has_symbols) {
  std::vector<SymbolCandidate> candidates;
  NamePool names;
  Status status = absl::OkStatus();
  for (const ElfFile* elf : sources.files) {
    status.Update(elf->section_status());
    for (const uint32_t type : kTables) status.Update(ReadTable(*elf, type, regions, selection, candidates, names));
  }
  has_symbols = selection != nullptr ? selection->has_symbols() : !candidates.empty();
  for (const PltStub& stub : sources.stubs) {
    SymbolCandidate candidate = CandidateOf(stub);
    if (CodeRegionAt(regions, candidate.start) == nullptr) continue;
    if (selection != nullptr && !selection->Needs(candidate)) continue;
    candidate.name = names.Add(stub.name);
    if (candidate.name != 0) candidates.push_back(candidate);
  }
  if (candidates.empty()) {
    if (!status.ok() && !has_symbols) return status;
    return NamedIntervals();
  }
  return NamedIntervals(Resolver(names, regions).Resolve(std::move(candidates)), names);
}

}  // namespace

StatusOr<SymbolTable> SymbolTable::Read(const ElfFile& elf) {
  const ElfFile* const files[] = {&elf};
  return Read(SymbolSources{.files = files});
}

StatusOr<SymbolTable> SymbolTable::ReadFor(const ElfFile& elf, std::span<const uint64_t> addresses) {
  const ElfFile* const files[] = {&elf};
  return ReadFor(SymbolSources{.files = files}, addresses);
}

StatusOr<SymbolTable> SymbolTable::Read(const SymbolSources& sources) {
  SymbolTable table;
  KILN_ASSIGN_OR_RETURN(table.functions_,
                        ReadFunctions(sources, CodeRegionsOf(sources.files), nullptr, table.has_symbols_));
  return table;
}

StatusOr<SymbolTable> SymbolTable::ReadFor(const SymbolSources& sources, std::span<const uint64_t> addresses) {
  const std::vector<CodeRegion> regions = CodeRegionsOf(sources.files);
  Selection selection(addresses, regions);
  for (const ElfFile* elf : sources.files) {
    for (const uint32_t type : kTables) {
      const StatusOr<std::optional<SymbolSections>> sections = FindSymbolSections(*elf, type);
      if (!sections.ok() || !*sections) continue;
      // What can't be read is said below.
      (void)ReadSymbolCandidates(*elf, (*sections)->symbols, regions, [&selection](const SymbolCandidate& candidate) {
        selection.Learn(candidate);
        selection.NoteSymbol();
        return absl::OkStatus();
      });
    }
  }
  for (const PltStub& stub : sources.stubs) {
    if (CodeRegionAt(regions, stub.address.value()) != nullptr) selection.Learn(CandidateOf(stub));
  }
  selection.EndLearning();
  SymbolTable table;
  KILN_ASSIGN_OR_RETURN(table.functions_, ReadFunctions(sources, regions, &selection, table.has_symbols_));
  return table;
}

Naming SymbolTable::Lookup(ElfAddress address) const {
  if (const std::string_view name = LookupRaw(address); !name.empty()) return NamingOf(name);
  return MissOf(OwnMiss());
}

}  // namespace kiln::symbolizer
