// SPDX-License-Identifier: Apache-2.0
// Unwind rows from call frame information.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "symbolizer/elf_file.h"
#include "symbolizer/unwind/cfi_program.h"
#include "symbolizer/unwind/cfi_section.h"
#include "symbolizer/unwind/cie_cache.h"
#include "symbolizer/unwind/fde_index.h"
#include "symbolizer/unwind/machine.h"
#include "symbolizer/unwind/row_source.h"
#include "symbolizer/unwind/unwind_issues.h"

namespace kiln::symbolizer {

// Where FDEs overlap, the later one counts from its begin on; of several with one begin the longest. Next and AddRows
// don't allocate.
class CfiRows final : public RowSource {
 public:
  // Refers to `machine`, `code` (for the bytes of signal trampolines) and `counts`.
  CfiRows(const UnwindMachine& machine, const ElfFile& code, std::unique_ptr<const CfiSection> section, FdeIndex index,
          UnwindCounts& counts);

  // The rows keep this register (DWARF number) as kiln_rule's `other` from now on.
  void Track(uint64_t dwarf_register);

  const CfiSection& section() const { return *section_; }
  const FdeIndex& index() const { return index_; }

  std::optional<CodeExtent> Next(ElfAddress from) override;
  ElfAddress EndBefore(ElfAddress address) override;
  void AddRows(const CodeExtent& extent, RowSink& sink) override;

 private:
  class Rules;
  std::optional<Fde> ReadFde(size_t entry);
  // The FDE that counts of those that begin where `entry` does; moves `entry` to the last of them.
  std::optional<Fde> ReadGroup(size_t& entry);
  // The FDE's extent, cut where the next one begins, which is among the entries after `last`.
  CodeExtent ExtentOf(const Fde& fde, size_t last);
  size_t FirstCandidate(uint64_t address) const;
  void DropTable();
  bool IsSignalTrampoline(const Cie& cie, const Fde& fde) const;

  const UnwindMachine& machine_;
  const ElfFile& code_;
  std::unique_ptr<const CfiSection> section_;
  FdeIndex index_;
  UnwindCounts& counts_;
  uint64_t tracked_ = kNoDwarfRegister;
  CieCache cies_;
  CfiProgram program_;
  size_t unusable_entries_ = 0;
  // What Next found last, which AddRows is asked for next.
  size_t hint_ = 0;
  std::optional<Fde> found_;
  // The state that the FDEs of the last CIE begin with.
  uint64_t initial_offset_ = ~uint64_t{0};
  CfiState initial_;
  std::optional<UnwindIssue> initial_issue_;
};

}  // namespace kiln::symbolizer
