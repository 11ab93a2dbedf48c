// SPDX-License-Identifier: Apache-2.0
// Names of Go code, of stripped programs too: functions, those inlined at an address, files and lines, all from the
// tables that Go's own runtime prints its stack traces from (go_pclntab.h, go_inline_trees.h). Names are the linker's,
// in full: "main.(*server).handle", "main.Map[go.shape.int,go.shape.string]". Wrappers that a stack trace of Go leaves
// out are named like all others.
//
// Columns are not in the tables. Where a function is declared (start_line) is, since Go 1.20.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/go/go_inline_trees.h"
#include "symbolizer/go/go_pclntab.h"
#include "symbolizer/symbol.h"

namespace kiln::symbolizer {

// Functions in one another. Real programs have some 30.
inline constexpr size_t kMaxGoInlineDepth = 256;
// Changes of files, lines and inlined calls that one lookup goes through: some milliseconds.
inline constexpr size_t kMaxGoLookupChanges = 1 << 20;

// Does not own the file, which has to live longer. Thread-compatible: reads go through windows, which makes addresses
// in ascending order cheaper.
class GoNames {
 public:
  // As GoPclntab::Find: kNotFound if the file is no Go program.
  static StatusOr<GoNames> Find(const ElfFile& elf);

  // `address` lies inside of an instruction (CodeAddress::ForLookup). kNotCovered outside of Go's code, kDamaged if the
  // function can't be read. What of files, lines and inlined calls is damaged is left out: then there is one line with
  // the function's name alone.
  Naming Lookup(ElfAddress address) const;

  const GoPclntab& table() const { return table_; }
  // Of what is kept; some 20 KiB of windows and 4 bytes per 64 functions.
  size_t memory_bytes() const { return sizeof(*this) + table_.memory_bytes(); }

 private:
  GoNames(const ElfFile& elf, GoPclntab table);
  int32_t ValueAt(const GoFunction& function, uint32_t values, ElfAddress address, size_t& budget) const;
  std::optional<SourceLine> MakeLine(const GoFunction& function, uint32_t name, int32_t start_line, ElfAddress address,
                                     size_t& budget) const;
  bool AddLines(const GoFunction& function, ElfAddress address, std::vector<SourceLine>& lines) const;

  GoPclntab table_;
  GoInlineTrees trees_;
};

}  // namespace kiln::symbolizer
