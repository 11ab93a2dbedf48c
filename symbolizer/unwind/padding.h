// SPDX-License-Identifier: Apache-2.0
// What assemblers and linkers put between functions: instructions that do nothing, or that trap.
#pragma once

#include <cstddef>
#include <span>

#include "symbolizer/unwind/machine.h"

namespace kiln::symbolizer {

// Functions are aligned to 64 bytes at most.
inline constexpr size_t kMaxPaddingBytes = 63;

// True if `code` holds nothing but no-operations and traps (x86-64: nop of any length, int3; arm64: nop, udf #0, brk),
// at least one, the last one complete. Whoever gets there comes to the code behind it with all registers unchanged, or
// not at all.
bool IsPadding(const UnwindMachine& machine, std::span<const std::byte> code);

}  // namespace kiln::symbolizer
