// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/cfi_rows.h"

#include <algorithm>
#include <array>
#include <utility>

#include "symbolizer/unwind/cfi_rules.h"
#include "symbolizer/unwind/signal_trampoline.h"

namespace kiln::symbolizer {
namespace {

// A trampoline's FDE begins a few bytes before its code, so that a return address minus one is in it.
constexpr uint64_t kMaxTrampolineBytes = 64;
// Unusable entries of a search table that are read over again and again, before the section is scanned instead.
constexpr size_t kMaxUnusableEntries = 256;

}  // namespace

// Turns states into rules, as far as they are in the extent.
class CfiRows::Rules final : public CfiStateSink {
 public:
  Rules(const CfiRows& rows, const CodeExtent& extent, bool signal_frame, RowSink& sink)
      : rows_(rows), extent_(extent), signal_frame_(signal_frame), sink_(sink) {}

  void Add(uint64_t address, const CfiState& state) override {
    if (ElfAddress(address) >= extent_.end) return;
    ++rows_.counts_.raw_rows;
    const bool keeps_tracked = rows_.tracked_ != kNoDwarfRegister;
    sink_.Add(ElfAddress(address), RuleFromState(rows_.machine_, state, keeps_tracked, signal_frame_, rows_.counts_));
  }
  bool IsFull() const override { return sink_.IsFull(); }

 private:
  const CfiRows& rows_;
  const CodeExtent& extent_;
  bool signal_frame_;
  RowSink& sink_;
};

CfiRows::CfiRows(const UnwindMachine& machine, const ElfFile& code, std::unique_ptr<const CfiSection> section,
                 FdeIndex index, UnwindCounts& counts)
    : machine_(machine),
      code_(code),
      section_(std::move(section)),
      index_(std::move(index)),
      counts_(counts),
      cies_(*section_),
      program_(machine, *section_, kNoDwarfRegister) {}

void CfiRows::Track(uint64_t dwarf_register) {
  tracked_ = dwarf_register;
  program_.Track(dwarf_register);
  initial_offset_ = ~uint64_t{0};
}

std::optional<Fde> CfiRows::ReadFde(size_t entry) {
  const std::optional<CfiEntry> header = section_->EntryAt(index_.entries()[entry].offset);
  const Cie* cie = nullptr;
  std::optional<Fde> fde;
  if (!header || header->is_cie) {
    counts_.Count(UnwindIssue::kEntryCut);
  } else if ((cie = cies_.Get(header->cie_offset, counts_)) != nullptr) {
    fde = section_->ReadFde(*header, *cie, counts_);
  }
  // The order of the extents hangs on the index.
  if (fde && fde->begin != index_.entries()[entry].begin) {
    counts_.Count(UnwindIssue::kHeaderUnusable);
    fde.reset();
  }
  if (!fde) ++unusable_entries_;
  return fde;
}

std::optional<Fde> CfiRows::ReadGroup(size_t& entry) {
  const std::vector<FdeIndex::Entry>& entries = index_.entries();
  std::optional<Fde> longest = ReadFde(entry);
  while (entry + 1 < entries.size() && entries[entry + 1].begin == entries[entry].begin) {
    const std::optional<Fde> other = ReadFde(++entry);
    if (!other) continue;
    if (longest) {
      counts_.Count(UnwindIssue::kDuplicateFde);
      ++unusable_entries_;
    }
    if (!longest || other->size > longest->size) longest = other;
  }
  return longest;
}

CodeExtent CfiRows::ExtentOf(const Fde& fde, size_t last) {
  const std::vector<FdeIndex::Entry>& entries = index_.entries();
  uint64_t end = fde.begin + fde.size;
  // FDEs without code lie in others now and then, and cut nothing.
  for (size_t next = last + 1; next < entries.size() && entries[next].begin < end; ++next) {
    if (!ReadGroup(next)) continue;
    counts_.Count(UnwindIssue::kOverlappingFde);
    end = entries[next].begin;
  }
  return {.begin = ElfAddress(fde.begin), .end = ElfAddress(end)};
}

size_t CfiRows::FirstCandidate(uint64_t address) const {
  const std::vector<FdeIndex::Entry>& entries = index_.entries();
  // Mostly the extents are asked for one after the other.
  for (size_t entry = hint_; entry < hint_ + 2 && entry + 1 < entries.size(); ++entry) {
    if (entries[entry].begin <= address && address < entries[entry + 1].begin) return entry;
  }
  const size_t found = index_.FindAtOrBefore(address);
  return found == entries.size() ? 0 : found;
}

void CfiRows::DropTable() {
  counts_.Count(UnwindIssue::kHeaderUnusable);
  index_.Scan(*section_, counts_);
  hint_ = 0;
}

std::optional<CodeExtent> CfiRows::Next(ElfAddress from) {
  if (index_.from_table() && unusable_entries_ > kMaxUnusableEntries) DropTable();
  const std::vector<FdeIndex::Entry>& entries = index_.entries();
  size_t entry = FirstCandidate(from.value());
  // To the first one of its group.
  while (entry > 0 && entry < entries.size() && entries[entry - 1].begin == entries[entry].begin) --entry;
  for (; entry < entries.size(); ++entry) {
    found_ = ReadGroup(entry);
    if (!found_) continue;
    const CodeExtent extent = ExtentOf(*found_, entry);
    if (extent.end <= from) continue;
    hint_ = entry;
    return extent;
  }
  found_.reset();
  return std::nullopt;
}

ElfAddress CfiRows::EndBefore(ElfAddress address) {
  size_t entry = index_.FindAtOrBefore(address.value());
  if (entry == index_.entries().size()) return ElfAddress(0);
  for (++entry; entry-- > 0;) {
    const std::optional<Fde> fde = ReadFde(entry);
    if (fde) return ElfAddress(std::min(fde->begin + fde->size, address.value()));
  }
  return ElfAddress(0);
}

bool CfiRows::IsSignalTrampoline(const Cie& cie, const Fde& fde) const {
  if (!cie.signal_frame || fde.size > kMaxTrampolineBytes) return false;
  std::array<std::byte, kMaxTrampolineBytes> code;
  const auto bytes = std::span(code).first(fde.size);
  return code_.ReadAddress(ElfAddress(fde.begin), bytes).ok() && FindSignalTrampoline(machine_, bytes).has_value();
}

void CfiRows::AddRows(const CodeExtent& extent, RowSink& sink) {
  if (!found_ || found_->begin != extent.begin.value()) Next(extent.begin);
  const Cie* cie = found_ && found_->begin == extent.begin.value() ? cies_.Get(found_->cie_offset, counts_) : nullptr;
  if (cie == nullptr) return sink.Add(extent.begin, SpecialRule(KILN_SPECIAL_DAMAGED));
  if (cie->return_column != machine_.dwarf_ra) {
    counts_.Count(UnwindIssue::kReturnColumn);
    return sink.Add(extent.begin, SpecialRule(KILN_SPECIAL_INEXPRESSIBLE));
  }
  if (IsSignalTrampoline(*cie, *found_)) return sink.Add(extent.begin, SignalTrampolineRule(machine_));

  if (initial_offset_ != found_->cie_offset) {
    initial_issue_ = program_.RunCie(*cie, initial_);
    initial_offset_ = found_->cie_offset;
  }
  uint64_t failed_at = extent.begin.value();
  std::optional<UnwindIssue> issue = initial_issue_;
  if (!issue) {
    Rules rules(*this, extent, cie->signal_frame, sink);
    issue = program_.RunFde(*cie, initial_, *found_, rules, failed_at);
  }
  if (!issue) return;
  counts_.Count(*issue);
  if (ElfAddress(failed_at) < extent.end) sink.Add(ElfAddress(failed_at), SpecialRule(KILN_SPECIAL_DAMAGED));
}

}  // namespace kiln::symbolizer
