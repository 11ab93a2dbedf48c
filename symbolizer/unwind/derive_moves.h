// SPDX-License-Identifier: Apache-2.0
// Functions that move their own frame: V8's builtins that add arguments move the stack pointer by an amount that isn't
// known, copy the return address and the arguments behind it, and go on as if they had been called with more.
//
// That the frame was moved shows where it has to have happened: at the end of the move (FrameState::HasMoved and what
// comes next), where the return address lies is known. Before, it is either still where the function found it, or
// already at the new place. An instruction-wise look at the code in between tells:
//  - Where nothing can bring the return address to its new place any more, it is there. What could: a load through an
//    address that may have been made from the stack pointer, or a store of a register that was loaded before.
//  - Until something is stored through such an address, the old place is intact.
//  - Between the two, as in the loop that copies, it may be here or there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace kiln::symbolizer {

// Code that runs between a move of the stack pointer and the end of the move. Offsets in the swept code.
struct MovingBlock {
  uint32_t begin;  // the block's, or behind the instruction that moves the stack pointer
  uint32_t end;
  bool begins_move;
  // Where control may go to other such blocks: end of the instruction that may do so (the block's end if it just goes
  // on), and the block's index, or kMoveEnd.
  std::vector<std::pair<uint32_t, uint32_t>> edges;
};
inline constexpr uint32_t kMoveEnd = UINT32_MAX;

// Where the return address is, in one block: at the old place before `stale_from`, at the new one from `moved_from` on,
// unknown in between.
struct MovingPlaces {
  uint32_t stale_from;
  uint32_t moved_from;  // UINT32_MAX for nowhere
};

// One for each of `blocks`. `function`: begin and end of all code that the function reaches. Thread-safe.
std::vector<MovingPlaces> FindMovedFrames(std::span<const std::byte> code,
                                          std::span<const std::pair<uint32_t, uint32_t>> function,
                                          std::span<const MovingBlock> blocks);

}  // namespace kiln::symbolizer
