// SPDX-License-Identifier: Apache-2.0
// Where jumps through tables lead to. How long a table is, the code doesn't say in one way: it is read up to the next
// one, and up to the first entry that is no instruction nearby. So there may be targets too many.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "symbolizer/elf_file.h"
#include "symbolizer/unwind/derive_sweep.h"

namespace kiln::symbolizer {

// Of one table. The largest switches of compilers and interpreters have some hundred cases.
inline constexpr uint32_t kMaxTableEntries = 1024;
// Of all tables of one sweep.
inline constexpr size_t kMaxTableTargets = 1 << 20;
// Between a jump and its target. Functions are not larger.
inline constexpr uint32_t kMaxTableReach = 256 << 10;

// (target, jump), both offsets in the code that was swept at `begin`; ascending, without repetition.
std::vector<std::pair<uint32_t, uint32_t>> ReadJumpTables(const ElfFile& elf, const CodeSweep& sweep, ElfAddress begin);

}  // namespace kiln::symbolizer
