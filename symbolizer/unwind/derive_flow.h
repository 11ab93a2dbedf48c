// SPDX-License-Identifier: Apache-2.0
// Follows the flow of control through swept code (derive_sweep.h) and finds the state of the frame (derive_state.h) in
// each block of it: forward, from the beginnings of functions, over branches and calls, merged where ways meet.
//
// A flow that contradicts itself (a `ret` with a register on top of the stack, a jump into another function with a
// frame, ways that meet with different stacks) is given up, and so is all that only it has reached.
//
// Calls of functions that never return (abort) end a way; which these are is found first (derive_returns.h). So do
// calls with a trap behind.
//
// V8's builtins do what compilers don't: they move their frames (derive_moves.h), go on in their callers' place
// (FrameState::IsFrameOfCaller), or are parts of functions whose frames they find set up and take down: a known
// beginning that makes no sense as a function's is tried as such a part (FollowInFrame).
//
// Where functions begin: known beginnings (symbols), targets of calls. They have the state of a function's entry. Code
// that nothing has reached by then begins a function that only pointers know, or it is the target of a jump table, or
// it follows a call that was taken for one that doesn't return. Each state that may apply is tried: the entry's, those
// of the indirect jumps before it, the one behind the call. What leads to no contradiction and to a return or to code
// whose state is known is believed if no other one does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "symbolizer/unwind/derive_moves.h"
#include "symbolizer/unwind/derive_returns.h"
#include "symbolizer/unwind/derive_state.h"
#include "symbolizer/unwind/derive_sweep.h"

namespace kiln::symbolizer {

enum class Unclear : uint8_t {
#define REASON(name, text) k##name,
#include "symbolizer/unwind/derive_unclear.def"
#undef REASON
};
inline constexpr size_t kUnclearCount = 0
#define REASON(name, text) +1
#include "symbolizer/unwind/derive_unclear.def"
#undef REASON
    ;
// For a user, without a full stop.
const char* UnclearText(Unclear reason);

// Distinct states at the beginnings of blocks; compiled code of 10 MB has some 10 000. 230 bytes each.
inline constexpr size_t kMaxFrameStates = 128 * 1024;

// Thread-compatible.
class CodeFlow {
 public:
  // All in offsets from the beginning of the swept code.
  struct Hints {
    std::span<const uint32_t> known;   // where functions begin for sure, ascending
    std::span<const uint32_t> likely;  // where they may, ascending
    // Targets of jumps through tables (derive_tables.h), each with the jump's offset; by target, ascending.
    std::span<const std::pair<uint32_t, uint32_t>> table_targets;
    std::span<const std::byte> code;  // what was swept; without it, functions that move their frames stay unclear
  };
  // What the hints refer to has to live until Run is done.
  CodeFlow(CodeSweep sweep, const Hints& hints);
  void Run();

  // After Run, calls `visit` for all code, ascending: what holds from `begin` to `end`; or why nothing is known, with
  // state nullptr. Padding that nothing flows into is left out, but before
  // the known beginning of a function: it has what holds there.
  struct Stretch {
    uint32_t begin;
    uint32_t end;
    const FrameState* state;
    Unclear reason;
  };
  void Visit(const std::function<void(const Stretch&)>& visit) const;

  const CodeSweep& sweep() const { return sweep_; }
  // Beginnings of functions that were followed, and those of them that were given up.
  size_t functions() const { return functions_; }
  size_t unclear_functions() const { return unclear_functions_; }

 private:
  struct Block : CodeBlock {
    uint32_t region = 0;
    uint32_t state = kNoBlock;
    uint32_t attempt = 0;    // in which it got its first state
    bool is_start = false;   // a function begins here for sure
    bool is_likely = false;  // perhaps: something points here
    bool is_table_target = false;
    bool is_region = false;   // perhaps: it is aligned, behind padding
    bool is_inside = false;   // part of a function that began before
    bool after_stop = false;  // the code before doesn't go on
    Unclear reason = Unclear::kUnreached;
    bool is_after_call = false;  // and padding in between
    bool given_up = false;
    bool frames_only = false;  // the state holds as far as RBP leads to the frame
  };
  // One flow, until it is kept or taken back.
  struct Attempt {
    bool is_guess = false;     // the state at its beginning
    bool frames_only = false;  // see FollowFrames
    FrameState::Depths depths = FrameState::Depths::kCalleesPop;
    FrameState::Fault fault = FrameState::Fault::kNone;
    uint32_t evidence = 0;  // returns and jumps out with the stack as it has to be
    uint32_t joins = 0;     // came into code whose state was known, with the same stack
    bool too_complex = false;
    bool moves_frame = false;         // see derive_moves.h
    std::vector<uint32_t> move_ends;  // blocks where ways with and without a move meet
    bool found_move_end = false;      // one more: to be followed again with it
    // A move's end, and a block of the moved way that goes there when it has a state.
    std::vector<std::pair<uint32_t, uint32_t>> waiting;
    std::vector<std::pair<uint32_t, uint32_t>> changed;  // block, its state before
    std::vector<uint32_t> work;
    std::vector<std::pair<uint32_t, uint32_t>> indirect;    // offset of an indirect jump, state there
    std::vector<std::pair<uint32_t, uint32_t>> after_call;  // block, state
    bool ok() const { return fault == FrameState::Fault::kNone && !too_complex; }
  };

  // Code that runs while a function moves its frame.
  struct Moving {
    uint32_t begin;
    uint32_t end;
    MovingPlaces places;
    uint32_t base;
    int32_t return_address;  // on that base
  };
  // A place where a block's flow goes on elsewhere.
  struct Exit {
    enum Kind : uint8_t { kToBlock, kToFunction, kIndirect, kReturn };
    Kind kind;
    uint32_t at;     // end of the instruction
    uint32_t block;  // kToBlock
    const FrameState& state;
  };

  // A state that code may have which nothing has reached.
  enum class Origin : uint8_t { kEntry, kAfterCall, kIndirectJump };
  struct Candidate {
    Origin origin;
    FrameState state;
    bool fits = false;  // leads to no contradiction
    uint32_t evidence = 0;
    uint32_t joins = 0;
  };

  void MakeBlocks();
  void ResolveTargets();
  void EndAtCallsWithoutReturn();
  uint32_t BlockAt(uint32_t offset) const;
  uint32_t BlockContaining(uint32_t offset) const;
  uint32_t BlockEnd(uint32_t block) const;
  uint32_t Intern(const FrameState& state);
  void Follow(uint32_t start, const FrameState& state, Attempt& attempt);
  void RunBlock(uint32_t block, Attempt& attempt);
  void Enter(uint32_t from, uint32_t to, FrameState state, Attempt& attempt);
  void LeaveFunction(const FrameState& state, Attempt& attempt);
  bool IsShifted(const FrameState& state) const;
  bool MeetMoved(uint32_t block, const FrameState& known, const FrameState& state, Attempt& attempt,
                 FrameState& met) const;
  bool ResolveMoves(const Attempt& attempt);
  bool ResolveMove(const std::vector<uint32_t>& blocks, uint32_t base);
  std::optional<MovingBlock> FindMoving(uint32_t block, uint32_t base) const;
  bool ReturnsFrom(uint32_t block) const;
  void VisitExits(uint32_t block, const std::function<void(const Exit&)>& visit) const;
  void VisitPadding(uint32_t block, uint32_t begin, const std::function<void(const Stretch&)>& visit) const;
  static void VisitMoving(const Moving& moving, const Stretch& stretch,
                          const std::function<void(const Stretch&)>& visit);
  bool IsJumpByReturn(uint32_t event, uint32_t block) const;
  bool FollowInFrame(uint32_t start);
  void FollowStart(uint32_t start, const FrameState& state, Attempt& attempt);
  void MarkInside(uint32_t start, const std::vector<uint32_t>& reached);
  void Keep(uint32_t start, const Attempt& attempt);
  void TakeBack(const Attempt& attempt);
  void GiveUp(uint32_t start, const Attempt& attempt);
  void RunStarts();
  void FollowFrames(uint32_t start, Unclear reason);
  void RunTableTargets();
  void RunUnreached(bool likely);
  // `function`: the last block before that is known to begin one.
  void TryUnreached(uint32_t block, uint32_t function);
  std::vector<Candidate> CandidatesFor(uint32_t block, uint32_t function);
  const Candidate* Choose(const Block& block, std::vector<Candidate>& candidates) const;
  bool TryTableTarget(uint32_t block);
  bool HasUnreachedSource(uint32_t block) const;

  CodeSweep sweep_;
  Hints hints_;
  std::vector<Block> blocks_;
  std::vector<std::pair<uint32_t, uint32_t>> sources_;  // of jumps: target and source, blocks; ascending
  std::vector<FrameState> states_;
  absl::flat_hash_map<FrameState, uint32_t> state_numbers_;
  std::map<uint32_t, uint32_t> indirect_;    // offset of an indirect jump -> state there
  std::map<uint32_t, uint32_t> after_call_;  // block -> state behind the call before it
  std::map<uint32_t, Moving> moving_;        // by block
  uint64_t work_left_ = 0;
  uint32_t attempts_ = 0;
  size_t functions_ = 0;
  size_t unclear_functions_ = 0;
};

}  // namespace kiln::symbolizer
