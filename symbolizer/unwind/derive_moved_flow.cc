// SPDX-License-Identifier: Apache-2.0
// The part of CodeFlow that deals with functions which move their frames: see derive_moves.h.
//
// A move shows in two ways. Where a way on which the stack pointer was moved by an unknown amount, and to which nothing
// is left of the old frame, meets a way where all is as at the function's entry, and code behind returns or jumps out:
// that code can't know which way it came by, so it finds the return address on top of the stack on both. And where such
// a way jumps to the beginning of another function, which finds the return address there.
#include <algorithm>
#include <set>

#include "symbolizer/unwind/derive_flow.h"

namespace kiln::symbolizer {
namespace {

// Functions that move their frames are small: V8's have up to 60 blocks.
constexpr size_t kMaxMovingFunctionBlocks = 256;
constexpr size_t kMaxMovingFunctionBytes = 64 << 10;
constexpr size_t kMaxMoves = 4;

bool BeginsFunction(const FrameState& state) { return state.IsLikeEntry() && state.HasReturnAddress(); }

}  // namespace

// That the stack pointer was moved, and not set to something else, as where stacks are switched.
bool CodeFlow::IsShifted(const FrameState& state) const {
  if (hints_.code.empty() || !state.HasMoved()) return false;
  const uint32_t at = state.rsp().base - 1;
  auto event = std::ranges::lower_bound(sweep_.events, at, {}, &CodeEvent::at);
  return event != sweep_.events.end() && event->at == at && event->op == CodeOp::kShift;
}

bool CodeFlow::MeetMoved(uint32_t block, const FrameState& known, const FrameState& state, Attempt& attempt,
                         FrameState& met) const {
  if (attempt.is_guess) return false;
  if (BeginsFunction(state) && IsShifted(known) && attempt.move_ends.size() < kMaxMoves &&
      std::ranges::find(attempt.move_ends, block) == attempt.move_ends.end()) {
    // What follows was reached by the moved way alone so far.
    attempt.move_ends.push_back(block);
    attempt.found_move_end = true;
    return false;
  }
  if (!BeginsFunction(known) || !IsShifted(state)) return false;
  met = FrameState::MeetMoved(known, state);
  attempt.moves_frame = true;
  return true;
}

void CodeFlow::VisitExits(uint32_t number, const std::function<void(const Exit&)>& visit) const {
  FrameState state = states_[blocks_[number].state];
  const uint32_t end = BlockEnd(number);
  const auto to = [&](uint32_t at, uint32_t block) {
    const bool leaves = blocks_[block].is_start;
    visit({.kind = leaves ? Exit::kToFunction : Exit::kToBlock, .at = at, .block = block, .state = state});
  };
  for (uint32_t i = blocks_[number].first_event; i < sweep_.events.size() && sweep_.events[i].at < end; ++i) {
    const CodeEvent& event = sweep_.events[i];
    const uint32_t behind = event.at + event.bytes;
    switch (event.op) {
      case CodeOp::kJump:
      case CodeOp::kCondition:
        if (event.value >= 0) to(behind, static_cast<uint32_t>(event.value));
        if (event.value == kOutside)
          visit({.kind = Exit::kToFunction, .at = behind, .block = kNoBlock, .state = state});
        if (event.op == CodeOp::kJump) return;
        break;
      case CodeOp::kJumpIndirect:
        return visit({.kind = Exit::kIndirect, .at = behind, .block = kNoBlock, .state = state});
      case CodeOp::kReturn: return visit({.kind = Exit::kReturn, .at = behind, .block = kNoBlock, .state = state});
      case CodeOp::kStop:
      case CodeOp::kCallBeforeGap: return;
      default: (void)state.Apply(event); break;
    }
  }
  if (number + 1 < blocks_.size()) to(end, number + 1);
}

// Whether the code that begins with `block` returns or jumps out with the return address on top of the stack.
bool CodeFlow::ReturnsFrom(uint32_t block) const {
  std::vector<uint32_t> reached = {block};
  bool returns = false;
  for (size_t i = 0; i < reached.size() && !returns; ++i) {
    VisitExits(reached[i], [&](const Exit& exit) {
      const bool by_table =
          exit.kind == Exit::kIndirect && std::ranges::any_of(sweep_.tables, [&](const CodeTable& table) {
            return table.jump < exit.at && exit.at - table.jump < 16;
          });
      if (exit.kind != Exit::kToBlock) returns = returns || (BeginsFunction(exit.state) && !by_table);
      if (exit.kind != Exit::kToBlock || blocks_[exit.block].state == kNoBlock) return;
      if (reached.size() < kMaxMovingFunctionBlocks && std::ranges::find(reached, exit.block) == reached.end()) {
        reached.push_back(exit.block);
      }
    });
  }
  return returns;
}

// The part of a block where the stack pointer is on `base`.
std::optional<MovingBlock> CodeFlow::FindMoving(uint32_t number, uint32_t base) const {
  const auto is_moving = [&](const FrameState& state) { return state.rsp().IsAddress() && state.rsp().base == base; };
  FrameState state = states_[blocks_[number].state];
  MovingBlock moving{.begin = blocks_[number].begin, .end = BlockEnd(number), .begins_move = false, .edges = {}};
  bool moves = is_moving(state);
  for (uint32_t i = blocks_[number].first_event; i < sweep_.events.size() && sweep_.events[i].at < moving.end; ++i) {
    const CodeEvent& event = sweep_.events[i];
    (void)state.Apply(event);
    if (!moves && is_moving(state)) {
      moves = moving.begins_move = true;
      moving.begin = event.at + event.bytes;
    } else if (moves && !is_moving(state)) {
      moving.end = event.at + event.bytes;
    }
  }
  return moves ? std::optional(std::move(moving)) : std::nullopt;
}

// False if the move on `base` makes no sense.
bool CodeFlow::ResolveMove(const std::vector<uint32_t>& blocks, uint32_t base) {
  std::vector<uint32_t> numbers;
  std::vector<MovingBlock> moving;
  std::vector<std::pair<uint32_t, uint32_t>> function;
  for (const uint32_t block : blocks) {
    function.emplace_back(blocks_[block].begin, BlockEnd(block));
    std::optional<MovingBlock> part = FindMoving(block, base);
    if (!part) continue;
    if (moving_.contains(block)) return false;
    numbers.push_back(block);
    moving.push_back(*std::move(part));
  }
  std::optional<int32_t> return_address;
  bool agrees = true;
  const auto end_move = [&](MovingBlock& from, const Exit& exit) {
    if (!exit.state.HasMoved()) return;
    agrees = agrees && (!return_address || *return_address == exit.state.rsp().offset);
    if (exit.kind == Exit::kToBlock) agrees = agrees && ReturnsFrom(exit.block);
    return_address = exit.state.rsp().offset;
    from.edges.emplace_back(exit.at, kMoveEnd);
  };
  for (size_t i = 0; i < numbers.size(); ++i) {
    VisitExits(numbers[i], [&](const Exit& exit) {
      if (exit.at < moving[i].begin || exit.at > moving[i].end) return;
      if (exit.kind == Exit::kToFunction) return end_move(moving[i], exit);
      if (exit.kind != Exit::kToBlock || blocks_[exit.block].state == kNoBlock) return;
      const FrameState& there = states_[blocks_[exit.block].state];
      if (there.rsp().IsAt(0, -8)) return end_move(moving[i], exit);
      const auto to = std::ranges::lower_bound(numbers, exit.block);
      if (to == numbers.end() || *to != exit.block || moving[to - numbers.begin()].begins_move) return;
      moving[i].edges.emplace_back(exit.at, static_cast<uint32_t>(to - numbers.begin()));
    });
  }
  if (!agrees || !return_address) return agrees;
  const std::vector<MovingPlaces> places = FindMovedFrames(hints_.code, function, moving);
  for (size_t i = 0; i < numbers.size(); ++i) {
    moving_.emplace(numbers[i], Moving{.begin = moving[i].begin,
                                       .end = moving[i].end,
                                       .places = places[i],
                                       .base = base,
                                       .return_address = *return_address});
  }
  return true;
}

// False if the function's moves make no sense, or are too many.
bool CodeFlow::ResolveMoves(const Attempt& attempt) {
  std::set<uint32_t> blocks;
  std::set<uint32_t> bases;
  size_t bytes = 0;
  for (const auto& [block, before] : attempt.changed) {
    if (!blocks.insert(block).second) continue;
    bytes += BlockEnd(block) - blocks_[block].begin;
    VisitExits(block, [&](const Exit& exit) {
      if (IsShifted(exit.state)) bases.insert(exit.state.rsp().base);
    });
    if (blocks.size() > kMaxMovingFunctionBlocks || bytes > kMaxMovingFunctionBytes) return false;
  }
  work_left_ -= std::min<uint64_t>(work_left_, bytes);
  if (bases.size() > kMaxMoves) return false;
  const std::vector<uint32_t> ascending(blocks.begin(), blocks.end());
  return std::ranges::all_of(bases, [&](uint32_t base) { return ResolveMove(ascending, base); });
}

// What holds in a stretch of a block in which the frame is moved.
void CodeFlow::VisitMoving(const Moving& moving, const Stretch& stretch,
                           const std::function<void(const Stretch&)>& visit) {
  if (stretch.state == nullptr || stretch.end <= moving.begin || stretch.begin >= moving.end) return visit(stretch);
  const uint32_t moved_from = std::clamp(moving.places.moved_from, stretch.begin, stretch.end);
  const uint32_t stale_from = std::clamp(moving.places.stale_from, stretch.begin, moved_from);
  const auto part = [&](uint32_t begin, uint32_t end, const FrameState* state) {
    if (begin < end) visit({.begin = begin, .end = end, .state = state, .reason = Unclear::kNoFrame});
  };
  part(stretch.begin, stale_from, stretch.state);
  part(stale_from, moved_from, nullptr);
  if (moved_from == stretch.end) return;
  const FrameState moved = stretch.state->Moved(moving.base, moving.return_address);
  part(moved_from, stretch.end, &moved);
}

}  // namespace kiln::symbolizer
