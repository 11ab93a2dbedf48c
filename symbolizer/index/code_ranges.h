// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// Where a file has code. Debug information also speaks of functions that the linker threw away: their addresses are 0,
// 1, or near the largest number (tombstones), and must not be taken for code.
class CodeRanges {
 public:
  // Executable segments; for relocatable files executable sections. A file that has neither counts as all code.
  explicit CodeRanges(const ElfFile& elf);

  bool Contains(uint64_t start, uint64_t end) const;

 private:
  struct Range {
    uint64_t start;
    uint64_t end;
  };
  std::vector<Range> ranges_;  // ascending by start
  bool relocatable_;
};

}  // namespace kiln::symbolizer
