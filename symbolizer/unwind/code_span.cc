// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/code_span.h"

#include <algorithm>

#include "bpf/unwind_table.h"

namespace kiln::symbolizer {

StatusOr<CodeSpan> FindCodeSpan(const ElfFile& elf) {
  uint64_t begin = UINT64_MAX, end = 0;
  for (const ElfFile::Segment& segment : elf.segments()) {
    if (!segment.executable || segment.file_size == 0) continue;
    begin = std::min(begin, segment.address.value());
    end = std::max(end, segment.address.value() + segment.file_size);
  }
  if (begin >= end) return Error(absl::StatusCode::kNotFound, "no executable segment");
  const uint64_t base = begin >> KILN_PAGE_SHIFT << KILN_PAGE_SHIFT;
  const uint64_t pages = ((end - 1 - base) >> KILN_PAGE_SHIFT) + 1;
  if (pages > kMaxTablePages) {
    return Error(absl::StatusCode::kResourceExhausted, "code over {} pages of 64 KiB; the limit is {}", pages,
                 kMaxTablePages);
  }
  return CodeSpan{.base = ElfAddress(base), .page_count = static_cast<uint32_t>(pages)};
}

}  // namespace kiln::symbolizer
