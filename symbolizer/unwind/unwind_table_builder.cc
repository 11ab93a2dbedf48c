// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/unwind_table_builder.h"

#include <elf.h>

#include <algorithm>
#include <utility>

#include "symbolizer/symbol_table.h"
#include "symbolizer/unwind/cfi_loader.h"
#include "symbolizer/unwind/cfi_rules.h"
#include "symbolizer/unwind/padding.h"
#include "symbolizer/unwind/signal_trampoline.h"
#include "symbolizer/unwind/tracked_register.h"

namespace kiln::symbolizer {
namespace {

// C libraries begin with some 50 bytes of assembly, which calls the rest.
constexpr uint64_t kMaxEntryCodeBytes = 64;
// So that a trampoline on the edge of the page is seen.
constexpr uint64_t kTrampolineMargin = 16;
// And padding that reaches over it.
constexpr uint64_t kCodeMargin = kMaxPaddingBytes + 1;
// One part in so many. Padding between functions is less.
constexpr uint64_t kWorthLookingFor = 8;

CodeExtent Range(uint64_t begin, uint64_t end) { return {.begin = ElfAddress(begin), .end = ElfAddress(end)}; }

}  // namespace

StatusOr<std::unique_ptr<UnwindTableBuilder>> UnwindTableBuilder::Open(const ElfFile& elf, const Options& options) {
  const UnwindMachine* machine = FindUnwindMachine(elf.machine());
  if (machine == nullptr) {
    return Error(absl::StatusCode::kUnimplemented, "unwinding is not known for ELF machine {}", elf.machine());
  }
  std::unique_ptr<UnwindTableBuilder> builder(new UnwindTableBuilder(elf, *machine));
  KILN_RETURN_IF_ERROR(builder->FindCode());
  builder->LoadCallFrameInformation(options.debug_file);
  builder->AddOtherSources(options.derive);
  return builder;
}

Status UnwindTableBuilder::FindCode() {
  for (const ElfFile::Segment& segment : elf_.segments()) {
    if (!segment.executable || segment.file_size == 0) continue;
    code_.push_back(Range(segment.address.value(), segment.address.value() + segment.file_size));
  }
  std::ranges::sort(code_, {}, &CodeExtent::begin);
  std::vector<CodeExtent> merged;
  for (const CodeExtent& range : code_) {
    if (!merged.empty() && range.begin <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, range.end);
    } else {
      merged.push_back(range);
    }
  }
  code_ = std::move(merged);
  for (const ElfFile::Section& section : elf_.sections()) {
    const uint64_t begin = section.address.value();
    const bool is_code = (section.flags & (SHF_ALLOC | SHF_EXECINSTR)) == (SHF_ALLOC | SHF_EXECINSTR);
    if (!is_code || section.type == SHT_NOBITS || begin + section.size <= begin) continue;
    code_sections_.push_back(Range(begin, begin + section.size));
  }
  std::ranges::sort(code_sections_, {}, &CodeExtent::begin);
  // Sections that overlap are nobody's work: the segments count then.
  const auto overlap = [](const CodeExtent& a, const CodeExtent& b) { return b.begin < a.end; };
  if (std::ranges::adjacent_find(code_sections_, overlap) != code_sections_.end()) code_sections_.clear();
  KILN_ASSIGN_OR_RETURN(const CodeSpan span, FindCodeSpan(elf_));
  base_ = span.base;
  page_count_ = span.page_count;
  return absl::OkStatus();
}

void UnwindTableBuilder::LoadCallFrameInformation(const ElfFile* debug_file) {
  struct Loader {
    std::string_view section;
    std::unique_ptr<CfiRows> (*load)(const ElfFile&, const ElfFile&, const UnwindMachine&, UnwindCounts&);
  };
  std::vector<CfiRows*> loaded;
  for (const auto& [section, load] : {Loader{".eh_frame", &LoadEhFrame}, Loader{".debug_frame", &LoadDebugFrame}}) {
    std::unique_ptr<CfiRows> rows = load(elf_, elf_, machine_, counts_);
    const bool in_debug_file = rows == nullptr && debug_file != nullptr;
    if (in_debug_file) rows = load(*debug_file, elf_, machine_, counts_);
    if (rows == nullptr) continue;
    cfi_origins_.push_back({.section = section, .in_debug_file = in_debug_file});
    loaded.push_back(rows.get());
    sources_.push_back(std::move(rows));
  }
  ChooseTracked(loaded);
}

void UnwindTableBuilder::AddOtherSources(bool derive) {
  if (StatusOr<std::unique_ptr<GoRows>> go = GoRows::Open(elf_); go.ok()) {
    go_ = go->get();
    sources_.push_back(*std::move(go));
  }
  if (!derive || !machine_.is_x86()) return;
  auto derived = std::make_unique<DerivedRows>(elf_, tracked_);
  derived_ = derived.get();
  fillers_.push_back(std::move(derived));
}

void UnwindTableBuilder::ChooseTracked(std::span<CfiRows* const> rows) {
  CfaRegisterCounts counts{};
  for (const CfiRows* source : rows) CountOtherCfa(machine_, source->section(), elf_, counts);
  const uint64_t tracked = ChooseTrackedRegister(counts);
  if (tracked == kNoDwarfRegister) return;
  const std::optional<uint8_t> number = machine_.FromDwarf(tracked);
  if (!number) return;
  tracked_ = *number;
  for (CfiRows* source : rows) source->Track(tracked);
}

bool UnwindTableBuilder::LacksUnwindInformation() {
  uint64_t bytes = 0, unknown = 0;
  for (const CodeExtent& segment : code_) {
    bytes += segment.end.value() - segment.begin.value();
    ElfAddress at = segment.begin;
    while (at < segment.end) {
      CodeExtent nearest{.begin = segment.end, .end = segment.end};
      for (const std::unique_ptr<RowSource>& source : sources_) {
        const std::optional<CodeExtent> extent = source->Next(at);
        if (extent && extent->end > at && extent->begin < nearest.begin) nearest = *extent;
      }
      if (nearest.begin > at) unknown += nearest.begin.value() - at.value();
      at = nearest.end;
    }
  }
  return unknown > bytes / kWorthLookingFor;
}

bool UnwindTableBuilder::CompilePage(uint32_t index, std::vector<uint32_t>& words) {
  const uint64_t begin = base_.value() + index * kPageBytes;
  page_range_ = Range(begin, begin + kPageBytes);
  page_.Start(page_range_.begin);
  ElfAddress covered = page_range_.begin;
  for (const CodeExtent& segment : code_) {
    const CodeExtent range{.begin = std::max(segment.begin, page_range_.begin),
                           .end = std::min(segment.end, page_range_.end)};
    if (range.begin >= range.end) continue;
    AddRule({.begin = covered, .end = range.begin}, SpecialRule(KILN_SPECIAL_NO_CFI));
    segment_ = segment;
    code_read_ = false;
    Cover(range, 0);
    covered = range.end;
  }
  AddRule({.begin = covered, .end = page_range_.end}, SpecialRule(KILN_SPECIAL_NO_CFI));
  const bool fits = page_.Finish(words);
  if (!fits) counts_.Count(UnwindIssue::kPageTooLarge);
  return fits;
}

void UnwindTableBuilder::AddRows(RowSource& source, const CodeExtent& extent, ElfAddress from, ElfAddress to) {
  page_.SetWindow(from, to, extent.begin);
  source.AddRows(extent, page_);
}

void UnwindTableBuilder::AddRule(const CodeExtent& range, const kiln_rule& rule) {
  if (range.begin >= range.end) return;
  page_.SetWindow(range.begin, range.end, range.begin);
  page_.Add(range.begin, rule);
}

void UnwindTableBuilder::Cover(const CodeExtent& range, size_t level) {
  if (level == sources_.size()) return FillGap(range);
  RowSource& source = *sources_[level];
  ElfAddress at = range.begin;
  while (at < range.end) {
    const std::optional<CodeExtent> extent = source.Next(at);
    // A source that doesn't come on would hold us here.
    if (!extent || extent->end <= at || extent->begin >= segment_.end) break;
    if (extent->begin > at) {
      const CodeExtent gap{.begin = at, .end = std::min(extent->begin, range.end)};
      const uint64_t gap_bytes = extent->begin.value() - at.value();
      if (gap_bytes <= kMaxPaddingBytes && IsPadding(machine_, Code(at.value(), extent->begin.value())) &&
          !EndsTrampoline(at)) {
        AddRows(source, *extent, at, std::min(extent->end, range.end));
        at = extent->end;
        continue;
      }
      Cover(gap, level + 1);
      if (extent->begin >= range.end) return;
    }
    const ElfAddress from = std::max(extent->begin, at);
    AddRows(source, *extent, from, std::min(extent->end, range.end));
    at = extent->end;
  }
  if (at < range.end) Cover({.begin = at, .end = range.end}, level + 1);
}

void UnwindTableBuilder::FillGap(const CodeExtent& range) {
  const CodeExtent entry = EntryCode();
  const CodeExtent root{.begin = std::clamp(entry.begin, range.begin, range.end),
                        .end = std::clamp(entry.end, range.begin, range.end)};
  FillAroundTrampolines({.begin = range.begin, .end = root.begin});
  AddRule(root, SpecialRule(KILN_SPECIAL_ROOT));
  FillAroundTrampolines({.begin = root.end, .end = range.end});
}

CodeExtent UnwindTableBuilder::EntryCode() {
  if (entry_code_) return *entry_code_;
  const ElfAddress begin = elf_.entry();
  uint64_t end = begin.value();
  if (begin.value() != 0 && std::ranges::any_of(code_, [&](const CodeExtent& segment) {
        return segment.begin <= begin && begin < segment.end;
      })) {
    end += kMaxEntryCodeBytes;
    // The next function is another one's.
    if (const StatusOr<SymbolTable> symbols = SymbolTable::Read(elf_); symbols.ok()) {
      const std::string_view name = symbols->LookupRaw(begin);
      for (uint64_t at = begin.value() + 1; at < end && !name.empty(); ++at) {
        if (symbols->LookupRaw(ElfAddress(at)) != name) end = at;
      }
    }
  }
  entry_code_ = Range(begin.value(), end);
  return *entry_code_;
}

void UnwindTableBuilder::FillAroundTrampolines(const CodeExtent& range) {
  uint64_t at = range.begin.value();
  const uint64_t end = range.end.value();
  // One that begins before the range or ends behind it counts, too.
  uint64_t from = std::max({at - std::min(at, kTrampolineMargin), segment_.begin.value(), code_begin_});
  while (at < end) {
    const std::span<const std::byte> code = Code(from, std::min(end + kTrampolineMargin, segment_.end.value()));
    const std::optional<SignalTrampoline> found = FindSignalTrampoline(machine_, code);
    if (!found) break;
    // A handler returns to its first byte, and the code of a return address lies before it. During the system call
    // the instruction pointer is behind its last byte.
    const uint64_t begin = std::max(at, from + found->offset - (found->offset > 0 ? 1 : 0));
    if (begin >= end) break;
    from += found->offset + found->size;
    const uint64_t behind = std::min(from + 1, end);
    if (behind <= at) continue;
    FillUnknown(Range(at, begin));
    AddRule(Range(begin, behind), SignalTrampolineRule(machine_));
    at = behind;
  }
  FillUnknown(Range(at, end));
}

bool UnwindTableBuilder::EndsTrampoline(ElfAddress at) {
  const std::span<const std::byte> code = Code(at.value() - std::min(at.value(), kTrampolineMargin), at.value());
  const std::optional<SignalTrampoline> found = FindSignalTrampoline(machine_, code);
  return found && found->offset + found->size == code.size();
}

void UnwindTableBuilder::FillUnknown(const CodeExtent& range) {
  if (range.begin >= range.end) return;
  if (code_sections_.empty()) return FillCode(range, segment_);
  // An executable segment may hold much that is no code: older linkers put all that is read-only into one.
  uint64_t at = range.begin.value();
  const auto fill_data = [&](uint64_t end) {
    if (at < end) AddRule(Range(at, end), SpecialRule(KILN_SPECIAL_NO_CFI));
    at = std::max(at, end);
  };
  auto section = std::ranges::upper_bound(code_sections_, range.begin, {}, &CodeExtent::end);
  for (; section != code_sections_.end() && section->begin < range.end; ++section) {
    fill_data(section->begin.value());
    const uint64_t end = std::min(section->end, range.end).value();
    if (at < end) FillCode(Range(at, end), *section);
    at = std::max(at, end);
  }
  fill_data(range.end.value());
}

void UnwindTableBuilder::FillCode(const CodeExtent& range, const CodeExtent& limits) {
  if (!fillers_.empty()) {
    CodeExtent gap = WidenGap(range);
    gap = {.begin = std::max(gap.begin, limits.begin), .end = std::min(gap.end, limits.end)};
    page_.SetWindow(range.begin, range.end, range.begin);
    for (const std::unique_ptr<GapFiller>& filler : fillers_) {
      if (filler->Fill(gap, range, page_)) return;
    }
  }
  AddRule(range, SpecialRule(KILN_SPECIAL_NO_CFI));
}

CodeExtent UnwindTableBuilder::WidenGap(const CodeExtent& range) {
  CodeExtent gap = range;
  if (gap.begin == page_range_.begin) {
    uint64_t begin = segment_.begin.value();
    for (const std::unique_ptr<RowSource>& source : sources_) {
      begin = std::max(begin, source->EndBefore(gap.begin).value());
    }
    gap.begin = std::min(gap.begin, ElfAddress(begin));
  }
  if (gap.end == page_range_.end) {
    uint64_t end = segment_.end.value();
    for (const std::unique_ptr<RowSource>& source : sources_) {
      if (const std::optional<CodeExtent> next = source->Next(gap.end)) end = std::min(end, next->begin.value());
    }
    gap.end = std::max(gap.end, ElfAddress(end));
  }
  return gap;
}

std::span<const std::byte> UnwindTableBuilder::Code(uint64_t begin, uint64_t end) {
  if (!code_read_) ReadCode();
  if (begin < code_begin_ || end < begin || end - code_begin_ > code_bytes_.size()) return {};
  return std::span(code_bytes_).subspan(begin - code_begin_, end - begin);
}

void UnwindTableBuilder::ReadCode() {
  const uint64_t page = page_range_.begin.value();
  code_begin_ = std::max(segment_.begin.value(), page - std::min(page, kCodeMargin));
  const uint64_t end = std::min(segment_.end.value(), page_range_.end.value() + kCodeMargin);
  code_bytes_.resize(end - code_begin_);
  if (!elf_.ReadAddress(ElfAddress(code_begin_), code_bytes_).ok()) code_bytes_.clear();
  code_read_ = true;
}

}  // namespace kiln::symbolizer
