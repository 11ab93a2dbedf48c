// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "symbolizer/unwind/unwind_table_builder.h"

namespace kiln::agent {

// How much of some code has which kind of unwind rule, in bytes.
struct CodeCoverage {
  uint64_t code = 0;           // all; the sum of what follows
  uint64_t cfi = 0;            // from unwind information; and known outermost functions and signal trampolines
  uint64_t derived = 0;        // from the instructions
  uint64_t unclear = 0;        // nothing could be derived from the instructions
  uint64_t inexpressible = 0;  // from unwind information of a kind that is not supported
  uint64_t damaged = 0;        // unwind information is there and can't be read
  uint64_t without = 0;        // no unwind information, nothing was derived

  uint64_t rows = 0;         // of the table
  uint64_t table_bytes = 0;  // of the pages that cover the code

  uint64_t walkable() const { return cfi + derived; }
};

// Ranges of ELF addresses, ascending.
using CodeRanges = std::vector<std::pair<uint64_t, uint64_t>>;

// The code in [begin, end): executable sections, or executable segments where the file has no sections.
CodeRanges FindCode(const symbolizer::ElfFile& elf, uint64_t begin, uint64_t end);

// Makes the pages of the table that cover `code` and adds up what they say. Costs some 0.1 µs per row, and what
// deriving costs.
CodeCoverage MeasureCoverage(symbolizer::UnwindTableBuilder& builder, const CodeRanges& code);

}  // namespace kiln::agent
