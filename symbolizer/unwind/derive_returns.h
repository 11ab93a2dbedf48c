// SPDX-License-Identifier: Apache-2.0
// Which code may return to its caller. What lies behind a call of a function that never returns (abort, a failed
// assertion) is not reached by it, and often is another function.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "symbolizer/unwind/derive_sweep.h"

namespace kiln::symbolizer {

// A stretch of code that is entered at its beginning only. It reaches to the next block.
struct CodeBlock {
  uint32_t begin;
  uint32_t first_event;  // index of the first event that is not before it
};
inline constexpr uint32_t kNoBlock = UINT32_MAX;

// For each block, whether a return can be reached from it, through calls that return. Jumps out of this code and
// indirect ones count as returns. The targets in `events` are numbers of blocks, kOutside or kNowhere.
// The least solution, in time linear in events and branches. Thread-safe.
std::vector<bool> FindReturningBlocks(std::span<const CodeEvent> events, std::span<const CodeBlock> blocks);

}  // namespace kiln::symbolizer
