// SPDX-License-Identifier: Apache-2.0
// From an ELF file to the pages of its unwind table (bpf/unwind_table.h), page by page as they are needed.
//
// What holds where: call frame information first (.eh_frame, then .debug_frame, then those of the debug file), then
// Go's table of functions, then the other sources in the order in which they were added, each in the gaps that are
// left. What is a gap still is, in this order: padding, which takes the rule of the code behind it; the code at the
// entry point, which has no caller; the trampoline of signal handlers; what a gap filler makes of it (rules derived
// from the instructions, then those that were added); or it has no unwind information.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/status.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/unwind/cfi_rows.h"
#include "symbolizer/unwind/code_span.h"
#include "symbolizer/unwind/derived_rows.h"
#include "symbolizer/unwind/go_rows.h"
#include "symbolizer/unwind/machine.h"
#include "symbolizer/unwind/page_builder.h"
#include "symbolizer/unwind/row_source.h"
#include "symbolizer/unwind/unwind_issues.h"

namespace kiln::symbolizer {

// Thread-compatible. Holds the sections of call frame information in memory while it lives.
class UnwindTableBuilder {
 public:
  struct Options {
    // Separate debug information of the same file, whose call frame information counts where the file has no such
    // section. nullptr for none. Must outlive the builder.
    const ElfFile* debug_file = nullptr;
    // Whether rules are derived from the instructions of code that has no unwind information (derived_rows.h). Costs
    // some 0.3 µs per instruction of a gap when its first page is made, and as much memory as the gap has bytes.
    bool derive = true;
  };

  // `elf` must outlive the builder. kUnimplemented for machines that kiln doesn't unwind, kNotFound for a file without
  // executable segments, kResourceExhausted if they are too far apart. A file without unwind information opens.
  static StatusOr<std::unique_ptr<UnwindTableBuilder>> Open(const ElfFile& elf, const Options& options);
  static StatusOr<std::unique_ptr<UnwindTableBuilder>> Open(const ElfFile& elf) { return Open(elf, Options()); }

  UnwindTableBuilder(const UnwindTableBuilder&) = delete;
  UnwindTableBuilder& operator=(const UnwindTableBuilder&) = delete;

  // Before the first page is made.
  void AddSource(std::unique_ptr<RowSource> source) { sources_.push_back(std::move(source)); }
  void AddFiller(std::unique_ptr<GapFiller> filler) { fillers_.push_back(std::move(filler)); }

  const UnwindMachine& machine() const { return machine_; }
  // Of byte 0 of page 0; a multiple of 64 KiB.
  ElfAddress base() const { return base_; }
  // Pages of 64 KiB from base() to the end of the last executable segment, 1 … kMaxTablePages.
  uint32_t page_count() const { return page_count_; }
  // For kiln_directory.tracked: a number of bpf/registers.h, or KILN_NO_REGISTER. Rules of other sources have to say
  // KILN_VALUE_LOST for it unless they know that it is unchanged.
  uint8_t tracked() const { return tracked_; }
  const UnwindCounts& counts() const { return counts_; }
  // The sections of call frame information that are read, the first one counts first.
  struct CfiOrigin {
    std::string_view section;  // ".eh_frame", ".debug_frame"
    bool in_debug_file;
  };
  const std::vector<CfiOrigin>& cfi_origins() const { return cfi_origins_; }
  // Whether a good part of the code is in no record of unwind information, so that more of it is worth looking for.
  // Costs a look at every record.
  bool LacksUnwindInformation();
  // nullptr if the file has no table of Go functions, and if nothing is derived.
  const GoRowCounts* go_counts() const { return go_ == nullptr ? nullptr : &go_->counts(); }
  const DeriveCounts* derive_counts() const { return derived_ == nullptr ? nullptr : &derived_->counts(); }

  // Makes page `index` (< page_count()) in 32-bit words. False if it can't be made (KILN_PAGE_FAILED); `words` is empty
  // then, and the reason is counted.
  bool CompilePage(uint32_t index, std::vector<uint32_t>& words);

 private:
  UnwindTableBuilder(const ElfFile& elf, const UnwindMachine& machine) : elf_(elf), machine_(machine), page_(machine) {}
  Status FindCode();
  void LoadCallFrameInformation(const ElfFile* debug_file);
  void AddOtherSources(bool derive);
  void ChooseTracked(std::span<CfiRows* const> rows);
  // Each makes rows for `range`, which is in the page and in one segment.
  void Cover(const CodeExtent& range, size_t level);
  void FillGap(const CodeExtent& range);
  void FillAroundTrampolines(const CodeExtent& range);
  // Whether the last instruction before `at` is that of a signal trampoline.
  bool EndsTrampoline(ElfAddress at);
  void FillUnknown(const CodeExtent& range);
  // `range` is in one section, or in a segment of a file without sections: `limits`.
  void FillCode(const CodeExtent& range, const CodeExtent& limits);
  void AddRows(RowSource& source, const CodeExtent& extent, ElfAddress from, ElfAddress to);
  void AddRule(const CodeExtent& range, const kiln_rule& rule);
  // The whole gap that `range` is part of, as fillers get it.
  CodeExtent WidenGap(const CodeExtent& range);
  // The code at the entry point that is taken for the outermost function if nothing else is known about it.
  CodeExtent EntryCode();
  // Bytes of the page's code and a bit around it; empty if [begin, end) isn't there.
  std::span<const std::byte> Code(uint64_t begin, uint64_t end);
  void ReadCode();

  const ElfFile& elf_;
  const UnwindMachine& machine_;
  std::vector<CfiOrigin> cfi_origins_;
  UnwindCounts counts_;
  std::vector<std::unique_ptr<RowSource>> sources_;
  std::vector<std::unique_ptr<GapFiller>> fillers_;
  const GoRows* go_ = nullptr;             // in sources_
  const DerivedRows* derived_ = nullptr;   // in fillers_
  std::vector<CodeExtent> code_;           // executable segments, ascending, not overlapping
  std::vector<CodeExtent> code_sections_;  // ascending, not overlapping; empty if the file does not tell
  ElfAddress base_;
  uint32_t page_count_ = 0;
  uint8_t tracked_ = KILN_NO_REGISTER;
  std::optional<CodeExtent> entry_code_;

  // Of the page that is being made.
  PageBuilder page_;
  CodeExtent page_range_;
  CodeExtent segment_;
  bool code_read_ = false;
  uint64_t code_begin_ = 0;
  std::vector<std::byte> code_bytes_;
};

}  // namespace kiln::symbolizer
