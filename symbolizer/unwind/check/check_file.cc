// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/check/check_file.h"

#include <time.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/file.h"
#include "symbolizer/unwind/cfi_program.h"
#include "symbolizer/unwind/check/frame_values.h"
#include "symbolizer/unwind/check/libdw_frames.h"
#include "symbolizer/unwind/padding.h"
#include "symbolizer/unwind/page_reader.h"
#include "symbolizer/unwind/row.h"
#include "symbolizer/unwind/unwind_table_builder.h"

namespace kiln::symbolizer::check {
namespace {

constexpr size_t kMaxDetails = 10;
constexpr std::array<uint64_t, 2> kSeeds = {1, 0x5eed};

uint64_t CpuNs() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

std::string Text(const kiln_rule& rule) {
  return fmt::format("cfa {}:{}{:+} {:+}, fp {}:{}{:+}, ra {}:{}{:+}, other {}{:+}, flags {}", rule.cfa_kind,
                     rule.cfa_register, rule.cfa_offset, rule.cfa_second, rule.fp_kind, rule.fp_register,
                     rule.fp_offset, rule.ra_kind, rule.ra_register, rule.ra_offset, rule.other_kind, rule.other_offset,
                     rule.flags);
}

class Check {
 public:
  Check(const std::string& path, FileReport& report) : path_(path), report_(report) {}

  void Run() {
    StatusOr<File> file = File::Open(path_);
    if (!file.ok()) return;
    const uint64_t begin = CpuNs();
    StatusOr<ElfFile> elf = ElfFile::Open(*std::move(file));
    if (!elf.ok()) return;
    StatusOr<std::unique_ptr<UnwindTableBuilder>> builder = UnwindTableBuilder::Open(*elf, {.derive = false});
    if (!builder.ok()) return;
    builder_ = builder->get();
    pages_.resize(builder_->page_count());
    for (uint32_t i = 0; i < pages_.size(); ++i) builder_->CompilePage(i, pages_[i]);
    report_.build_ns = CpuNs() - begin;
    report_.counts = builder_->counts();
    if (report_.counts.fdes == 0) return;
    report_.checked = true;
    FindTracked();
    CountRows();
    libdw_ = LibdwFile::Open(path_);
    if (libdw_ == nullptr) return Mismatch(0, "libdw can't open the file");
    std::vector<CodeRange> ranges = libdw_->FdeRanges();
    for (const CodeRange& range : ranges) CheckRange(range);
    // Go's own table fills gaps with rules that libdw knows nothing of.
    if (builder_->go_counts() == nullptr) CheckGaps(std::move(ranges));
  }

 private:
  void FindTracked() {
    for (uint64_t dwarf = 0; dwarf < 64; ++dwarf) {
      if (builder_->tracked() != KILN_NO_REGISTER && builder_->machine().FromDwarf(dwarf) == builder_->tracked()) {
        tracked_ = dwarf;
        report_.tracked = 1;
      }
    }
  }

  void CountRows() {
    report_.pages = pages_.size();
    for (size_t i = 0; i < pages_.size(); ++i) {
      const std::vector<uint32_t>& page = pages_[i];
      report_.table_bytes += page.size() * sizeof(uint32_t);
      const uint64_t base = builder_->base().value() + i * kPageBytes;
      std::optional<kiln_rule> last;
      const bool good = VisitRows(builder_->machine(), page, [&](uint32_t offset, const kiln_rule& rule) {
        ++report_.table_rows;
        row_begins_.push_back(base + offset);
        if (last && *last == rule) Mismatch(base + offset, "neighbouring rows are equal");
        last = rule;
      });
      if (!good) Mismatch(base, page.empty() ? "page failed" : "page contradicts itself");
      if (page.size() > 2) report_.rules += page[1] >> 16;
    }
  }

  std::optional<kiln_rule> RuleAt(uint64_t address) const {
    const uint64_t offset = address - builder_->base().value();
    if (offset / kPageBytes >= pages_.size()) return std::nullopt;
    return FindRow(builder_->machine(), pages_[offset / kPageBytes], static_cast<uint32_t>(offset % kPageBytes));
  }

  bool IsCode(uint64_t address) const {
    return builder_->base().value() <= address && address - builder_->base().value() < pages_.size() * kPageBytes;
  }

  void Mismatch(uint64_t address, const std::string& what) {
    ++report_.mismatches;
    if (report_.details.size() < kMaxDetails)
      report_.details.push_back(fmt::format("{} {:#x}: {}", path_, address, what));
  }

  // All of one FDE's code.
  void CheckRange(const CodeRange& range) {
    if (range.begin == 0 || range.end <= range.begin || !IsCode(range.begin)) return;
    uint64_t address = range.begin;
    while (address < range.end) {
      std::unique_ptr<LibdwFrame> frame;
      const LibdwFile::Found found = libdw_->At(address, frame);
      if (found != LibdwFile::Found::kFrame) {
        ++report_.compared;
        const std::optional<kiln_rule> rule = RuleAt(address);
        const bool expected =
            rule && IsSpecial(*rule, found == LibdwFile::Found::kDamaged ? KILN_SPECIAL_DAMAGED : KILN_SPECIAL_NO_CFI);
        if (!expected)
          Mismatch(address, fmt::format("libdw has {}", found == LibdwFile::Found::kDamaged ? "damage" : "nothing"));
        return;
      }
      const uint64_t end = std::min(frame->end(), range.end);
      if (end <= address) return Mismatch(address, "libdw's row is empty");
      CheckPlace(address, *frame);
      if (end - 1 > address) CheckPlace(end - 1, *frame);
      const auto first = std::ranges::upper_bound(row_begins_, address);
      for (auto row = first; row != row_begins_.end() && *row < end; ++row) CheckPlace(*row, *frame);
      address = end;
    }
  }

  void CheckPlace(uint64_t address, const LibdwFrame& frame) {
    ++report_.compared;
    const std::optional<kiln_rule> rule = RuleAt(address);
    if (!rule) return Mismatch(address, "no row");
    if (IsSpecial(*rule, KILN_SPECIAL_INEXPRESSIBLE)) {
      ++report_.inexpressible;
      return;
    }
    if (rule->cfa_kind == KILN_CFA_SPECIAL && !IsSpecial(*rule, KILN_SPECIAL_ROOT)) {
      return Mismatch(address, fmt::format("special {} where libdw has a row", rule->cfa_offset));
    }
    if (rule->cfa_kind == KILN_CFA_SIGNAL && !builder_->machine().is_x86()) {
      ++report_.unjudged;
      return;
    }
    for (const uint64_t seed : kSeeds) {
      const MadeUpThread thread{.seed = seed, .program_counter = ElfAddress(address), .machine = &builder_->machine()};
      if (!CompareValues(*rule, frame, thread)) return;
    }
  }

  bool CompareValues(const kiln_rule& rule, const LibdwFrame& frame, const MadeUpThread& thread) {
    const uint64_t address = thread.program_counter.value();
    const std::optional<FrameValues> theirs = frame.Values(tracked_, thread);
    if (!theirs) {
      ++report_.unjudged;
      return false;
    }
    if (theirs->no_caller != IsSpecial(rule, KILN_SPECIAL_ROOT)) {
      Mismatch(address, fmt::format("libdw {} a caller: {}", theirs->no_caller ? "sees no" : "sees", Text(rule)));
      return false;
    }
    if (theirs->no_caller) return false;
    const FrameValues ours = ApplyRule(rule, builder_->tracked(), thread);
    // libdw takes a register that nothing is said of for undefined if the ABI lets functions change it (and RBX, by an
    // oversight in 0.188: backends/x86_64_cfi.c). Code that keeps its CFA in one over a call knows better.
    const bool unmentioned = builder_->machine().is_x86() && rule.other_kind == KILN_VALUE_SAME && !theirs->tracked;
    const bool lost_fp = !ours.fp && theirs->fp;
    const bool lost_tracked = !ours.tracked && theirs->tracked;
    const bool equal = ours.sp == theirs->sp && ours.ra == theirs->ra && (ours.fp == theirs->fp || lost_fp) &&
                       (ours.tracked == theirs->tracked || lost_tracked || unmentioned) &&
                       frame.signal_frame() == ((rule.flags & KILN_RULE_SIGNAL_FRAME) != 0);
    if (!equal) {
      Mismatch(address, fmt::format("sp {} ra {} fp {} tracked {}: {}", ours.sp == theirs->sp, ours.ra == theirs->ra,
                                    ours.fp == theirs->fp, ours.tracked == theirs->tracked, Text(rule)));
      return false;
    }
    if (lost_fp || lost_tracked) {
      ++report_.lost;
      return false;
    }
    return true;
  }

  // Where no FDE is, nothing may be said: but for padding, which takes what holds behind it, for the code at the entry
  // point and for signal trampolines.
  void CheckGaps(std::vector<CodeRange> ranges) {
    std::ranges::sort(ranges, {}, &CodeRange::begin);
    uint64_t covered = builder_->base().value();
    for (const CodeRange& range : ranges) {
      if (range.begin == 0 || range.end <= range.begin || !IsCode(range.begin)) continue;
      if (range.begin > covered) CheckGap(covered, range.begin);
      covered = std::max(covered, range.end);
    }
    CheckGap(covered, builder_->base().value() + pages_.size() * kPageBytes);
  }

  void CheckGap(uint64_t begin, uint64_t end) {
    CheckGapPlace(begin, end);
    const auto first = std::ranges::upper_bound(row_begins_, begin);
    for (auto row = first; row != row_begins_.end() && *row < end; ++row) CheckGapPlace(*row, end);
  }

  void CheckGapPlace(uint64_t address, uint64_t end) {
    if (!IsCode(address)) return;
    ++report_.compared;
    const std::optional<kiln_rule> rule = RuleAt(address);
    if (!rule) return Mismatch(address, "no row");
    if (IsSpecial(*rule, KILN_SPECIAL_NO_CFI) || IsSpecial(*rule, KILN_SPECIAL_ROOT)) return;
    if (rule->cfa_kind == KILN_CFA_SIGNAL) return;
    const std::optional<kiln_rule> behind = IsCode(end) ? RuleAt(end) : std::nullopt;
    if (end - address <= kMaxPaddingBytes && behind && *behind == *rule) return;
    Mismatch(address, fmt::format("a rule where no FDE is: {}", Text(*rule)));
  }

  const std::string& path_;
  FileReport& report_;
  UnwindTableBuilder* builder_ = nullptr;
  std::vector<std::vector<uint32_t>> pages_;
  std::vector<uint64_t> row_begins_;
  std::unique_ptr<LibdwFile> libdw_;
  uint64_t tracked_ = kNoDwarfRegister;
};

}  // namespace

FileReport& FileReport::operator+=(const FileReport& other) {
  counts += other.counts;
  pages += other.pages;
  table_bytes += other.table_bytes;
  table_rows += other.table_rows;
  rules += other.rules;
  build_ns += other.build_ns;
  tracked += other.tracked;
  compared += other.compared;
  inexpressible += other.inexpressible;
  lost += other.lost;
  unjudged += other.unjudged;
  mismatches += other.mismatches;
  return *this;
}

FileReport CheckFile(const std::string& path) {
  FileReport report;
  Check(path, report).Run();
  return report;
}

}  // namespace kiln::symbolizer::check
