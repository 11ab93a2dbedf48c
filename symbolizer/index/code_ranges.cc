// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/index/code_ranges.h"

#include <elf.h>

#include <algorithm>

namespace kiln::symbolizer {

CodeRanges::CodeRanges(const ElfFile& elf) : relocatable_(elf.relocatable()) {
  for (const ElfFile::Segment& segment : elf.segments()) {
    if (!segment.executable || segment.memory_size == 0) continue;
    ranges_.push_back({.start = segment.address.value(), .end = segment.address.value() + segment.memory_size});
  }
  for (const ElfFile::Section& section : elf.sections()) {
    if (!relocatable_ || (section.flags & SHF_EXECINSTR) == 0 || section.size == 0) continue;
    ranges_.push_back({.start = section.address.value(), .end = section.address.value() + section.size});
  }
  std::ranges::sort(ranges_, {}, &Range::start);
}

bool CodeRanges::Contains(uint64_t start, uint64_t end) const {
  if (start >= end) return false;
  // A linked file begins with its header, not with a function.
  if (start == 0 && !relocatable_) return false;
  if (ranges_.empty()) return true;
  const auto after = std::ranges::upper_bound(ranges_, start, {}, &Range::start);
  return after != ranges_.begin() && end <= std::prev(after)->end;
}

}  // namespace kiln::symbolizer
