// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/status.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// Executable segments of a file lie within 4 GiB.
inline constexpr uint64_t kMaxTablePages = 1 << 16;

// The part of a file's addresses that its unwind table covers.
struct CodeSpan {
  ElfAddress base;      // of byte 0 of page 0; a multiple of 64 KiB
  uint32_t page_count;  // pages of 64 KiB to the end of the last executable segment, 1 … kMaxTablePages
};

// kNotFound for a file without executable segments, kResourceExhausted if they are too far apart. Looks at the segments
// only.
StatusOr<CodeSpan> FindCodeSpan(const ElfFile& elf);

}  // namespace kiln::symbolizer
