// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/derive_flow.h"

#include <algorithm>
#include <utility>

namespace kiln::symbolizer {
namespace {

using Fault = FrameState::Fault;

// Each event is worth so many visits, over all attempts.
constexpr uint64_t kWorkPerEvent = 64;

Unclear ReasonOf(Fault fault) {
  switch (fault) {
    case Fault::kReturnDepth: return Unclear::kReturnDepth;
    case Fault::kTailDepth: return Unclear::kTailDepth;
    case Fault::kAboveFrame: return Unclear::kAboveFrame;
    case Fault::kJoin: return Unclear::kJoin;
    case Fault::kNone: break;
  }
  return Unclear::kUnreached;
}

void Normalize(std::vector<uint32_t>& offsets) {
  std::ranges::sort(offsets);
  offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
}

bool HasTarget(CodeOp op) {
  return op == CodeOp::kJump || op == CodeOp::kCondition || op == CodeOp::kCall || op == CodeOp::kCallBeforeGap;
}

bool EndsFlow(CodeOp op) {
  switch (op) {
    case CodeOp::kJump:
    case CodeOp::kJumpIndirect:
    case CodeOp::kReturn:
    case CodeOp::kStop:
    case CodeOp::kCallBeforeGap: return true;
    default: return false;
  }
}

}  // namespace

const char* UnclearText(Unclear reason) {
  switch (reason) {
#define REASON(name, text) \
  case Unclear::k##name: return text;
#include "symbolizer/unwind/derive_unclear.def"
#undef REASON
  }
  return "unknown";
}

CodeFlow::CodeFlow(CodeSweep sweep, const Hints& hints) : sweep_(std::move(sweep)), hints_(hints) {
  MakeBlocks();
  ResolveTargets();
  EndAtCallsWithoutReturn();
  for (uint32_t block = 0; block < blocks_.size(); ++block) {
    const uint32_t end = BlockEnd(block);
    for (uint32_t i = blocks_[block].first_event; i < sweep_.events.size() && sweep_.events[i].at < end; ++i) {
      const CodeEvent& event = sweep_.events[i];
      const bool jumps = event.op == CodeOp::kJump || event.op == CodeOp::kCondition;
      if (jumps && event.value >= 0) sources_.emplace_back(static_cast<uint32_t>(event.value), block);
    }
  }
  std::ranges::sort(sources_);
  work_left_ = kWorkPerEvent * (sweep_.events.size() + blocks_.size() + 1000);
}

void CodeFlow::MakeBlocks() {
  Normalize(sweep_.calls);
  Normalize(sweep_.jumps);
  Normalize(sweep_.pointers);
  Normalize(sweep_.breaks);
  std::vector<uint32_t> begins = sweep_.breaks;
  for (const std::vector<uint32_t>* more : {&sweep_.calls, &sweep_.jumps}) {
    begins.insert(begins.end(), more->begin(), more->end());
  }
  begins.insert(begins.end(), hints_.known.begin(), hints_.known.end());
  std::vector<uint32_t> table_targets;
  for (const auto& [target, jump] : hints_.table_targets) table_targets.push_back(target);
  begins.insert(begins.end(), table_targets.begin(), table_targets.end());
  Normalize(begins);
  blocks_.reserve(begins.size());
  uint32_t event = 0;
  uint32_t region = 0;
  // Positions in the ascending lists, as the blocks pass by them.
  const auto has = [](auto& list, size_t& position, uint32_t offset) {
    while (position < list.size() && list[position] < offset) ++position;
    return position < list.size() && list[position] == offset;
  };
  size_t at_break = 0, at_call = 0, at_known = 0, at_likely = 0, at_pointer = 0, at_region = 0, at_table = 0;
  for (const uint32_t begin : begins) {
    if (begin >= sweep_.size || !sweep_.starts[begin]) continue;
    while (event < sweep_.events.size() && sweep_.events[event].at < begin) ++event;
    const bool is_region = has(sweep_.regions, at_region, begin);
    region = static_cast<uint32_t>(at_region + (is_region ? 1 : 0));
    Block block;
    block.begin = begin;
    block.first_event = event;
    block.region = region;
    block.after_stop = has(sweep_.breaks, at_break, begin);
    const bool called = has(sweep_.calls, at_call, begin);
    block.is_start = has(hints_.known, at_known, begin) || called;
    const bool is_pointer = has(sweep_.pointers, at_pointer, begin);
    block.is_likely = has(hints_.likely, at_likely, begin) || is_pointer;
    block.is_region = is_region;
    block.is_after_call = event != 0 && sweep_.events[event - 1].op == CodeOp::kCallBeforeGap;
    block.is_table_target = has(table_targets, at_table, begin);
    blocks_.push_back(block);
  }
}

void CodeFlow::ResolveTargets() {
  for (CodeEvent& event : sweep_.events) {
    if (!HasTarget(event.op) || event.value < 0) continue;
    const uint32_t block = BlockAt(static_cast<uint32_t>(event.value));
    event.value = block == kNoBlock ? kNowhere : static_cast<int32_t>(block);
  }
}

void CodeFlow::EndAtCallsWithoutReturn() {
  std::vector<CodeBlock> blocks(blocks_.begin(), blocks_.end());
  const std::vector<bool> returns = FindReturningBlocks(sweep_.events, blocks);
  const size_t breaks = sweep_.breaks.size();
  for (CodeEvent& event : sweep_.events) {
    if (event.op == CodeOp::kCall && event.value >= 0 && !returns[static_cast<uint32_t>(event.value)]) {
      event.op = CodeOp::kStop;
      sweep_.breaks.push_back(event.at + event.bytes);
    }
    if (HasTarget(event.op) && event.value >= 0) event.value = static_cast<int32_t>(blocks_[event.value].begin);
  }
  if (sweep_.breaks.size() != breaks) {
    blocks_.clear();
    MakeBlocks();
  }
  ResolveTargets();
}

uint32_t CodeFlow::BlockAt(uint32_t offset) const {
  const auto found = std::ranges::lower_bound(blocks_, offset, {}, &Block::begin);
  return found == blocks_.end() || found->begin != offset ? kNoBlock : static_cast<uint32_t>(found - blocks_.begin());
}

uint32_t CodeFlow::BlockContaining(uint32_t offset) const {
  const auto found = std::ranges::upper_bound(blocks_, offset, {}, &Block::begin);
  return found == blocks_.begin() ? 0 : static_cast<uint32_t>(found - blocks_.begin()) - 1;
}

uint32_t CodeFlow::BlockEnd(uint32_t block) const {
  return block + 1 < blocks_.size() ? blocks_[block + 1].begin : sweep_.size;
}

uint32_t CodeFlow::Intern(const FrameState& state) {
  const auto [found, is_new] = state_numbers_.try_emplace(state, static_cast<uint32_t>(states_.size()));
  if (is_new) states_.push_back(state);
  return found->second;
}

// Somebody else's code comes next: the stack has to be as its caller left it.
void CodeFlow::LeaveFunction(const FrameState& state, Attempt& attempt) {
  if (attempt.frames_only) return;
  attempt.moves_frame = attempt.moves_frame || (!attempt.is_guess && IsShifted(state));
  if (state.CheckReturn() != Fault::kNone) attempt.fault = Fault::kTailDepth;
  if (state.rsp().IsOnCfa()) ++attempt.evidence;
}

void CodeFlow::Enter(uint32_t from, uint32_t to, FrameState state, Attempt& attempt) {
  Block& block = blocks_[to];
  if (block.is_start) return LeaveFunction(state, attempt);
  if (block.state != kNoBlock && block.frames_only != attempt.frames_only) return;
  if (block.region != blocks_[from].region) state.ForgetHolders();
  if (block.state == kNoBlock) {
    // It will be met by a way that doesn't move.
    if (std::ranges::find(attempt.move_ends, to) != attempt.move_ends.end() && IsShifted(state)) {
      attempt.waiting.emplace_back(to, from);
      return;
    }
    if (states_.size() >= kMaxFrameStates) {
      attempt.too_complex = true;
      return;
    }
    attempt.changed.emplace_back(to, kNoBlock);
    block.state = Intern(state);
    block.attempt = attempts_;
    block.frames_only = attempt.frames_only;
    attempt.work.push_back(to);
    for (const auto& [end, waiting] : attempt.waiting) {
      if (end == to) attempt.work.push_back(waiting);
    }
    return;
  }
  FrameState met;
  const FrameState& known = states_[block.state];
  if (attempt.frames_only) {
    met = FrameState::MeetFrames(known, state);
  } else if (const Fault fault = FrameState::Meet(known, state, attempt.depths, met);
             fault != Fault::kNone && !MeetMoved(to, known, state, attempt, met)) {
    attempt.fault = fault;
    return;
  }
  if (met.rsp() == known.rsp() && met.rbp() == known.rbp()) {
    if (block.attempt != attempts_) ++attempt.joins;
  } else if (attempt.is_guess && block.attempt != attempts_) {  // must not take from what is known
    attempt.fault = Fault::kJoin;
    return;
  }
  if (met == known) return;
  if (states_.size() >= kMaxFrameStates) {
    attempt.too_complex = true;
    return;
  }
  attempt.changed.emplace_back(to, block.state);
  block.state = Intern(met);
  attempt.work.push_back(to);
}

void CodeFlow::RunBlock(uint32_t number, Attempt& attempt) {
  FrameState state = states_[blocks_[number].state];
  const uint32_t end = BlockEnd(number);
  bool after_call = false;
  const auto branch = [&](int32_t target) {
    if (target >= 0) {
      Enter(number, static_cast<uint32_t>(target), state, attempt);
    } else if (target == kOutside) {
      LeaveFunction(state, attempt);
    }
  };
  for (uint32_t i = blocks_[number].first_event; i < sweep_.events.size() && sweep_.events[i].at < end; ++i) {
    const CodeEvent& event = sweep_.events[i];
    if (work_left_ == 0) attempt.too_complex = true;
    if (!attempt.ok()) return;
    --work_left_;
    after_call = false;
    switch (event.op) {
      case CodeOp::kJump: return branch(event.value);
      case CodeOp::kCondition: branch(event.value); break;
      case CodeOp::kJumpIndirect:
        // Through a table, or to another function: then it proves nothing.
        attempt.indirect.emplace_back(event.at, Intern(state));
        return;
      case CodeOp::kReturn:
        if (IsJumpByReturn(i, number) && !state.HasReturnAddress()) {
          (void)state.Apply({.at = event.at, .bytes = event.bytes, .op = CodeOp::kPopOther});
          attempt.indirect.emplace_back(event.at, Intern(state));
          return;
        }
        if (!attempt.frames_only) attempt.fault = state.CheckReturn();
        if (state.rsp().IsOnCfa()) ++attempt.evidence;
        return;
      case CodeOp::kStop: return;
      case CodeOp::kCallBeforeGap:
        (void)state.Apply(event);
        if (number + 1 < blocks_.size()) attempt.after_call.emplace_back(number + 1, Intern(state));
        return;
      default:
        after_call = event.op == CodeOp::kCall;
        if (const Fault fault = state.Apply(event); !attempt.frames_only) attempt.fault = fault;
        break;
    }
  }
  if (!attempt.ok() || number + 1 >= blocks_.size()) return;
  // A call that doesn't return may be the last instruction before another function.
  if (after_call && blocks_[number + 1].is_start) return;
  Enter(number, number + 1, state, attempt);
}

// `push reg; ret` jumps to what the register holds.
bool CodeFlow::IsJumpByReturn(uint32_t event, uint32_t block) const {
  if (event == blocks_[block].first_event) return false;
  const CodeEvent& before = sweep_.events[event - 1];
  const bool pushes = before.op == CodeOp::kPush || before.op == CodeOp::kPushMemory || before.op == CodeOp::kPushOther;
  return pushes && before.at + before.bytes == sweep_.events[event].at;
}

void CodeFlow::Follow(uint32_t start, const FrameState& state, Attempt& attempt) {
  ++attempts_;
  blocks_[start].attempt = attempts_;
  attempt.changed.emplace_back(start, blocks_[start].state);
  blocks_[start].state = Intern(state);
  attempt.work.push_back(start);
  while (!attempt.work.empty() && attempt.ok()) {
    const uint32_t block = attempt.work.back();
    attempt.work.pop_back();
    RunBlock(block, attempt);
  }
}

void CodeFlow::TakeBack(const Attempt& attempt) {
  for (auto change = attempt.changed.rbegin(); change != attempt.changed.rend(); ++change) {
    blocks_[change->first].state = change->second;
  }
}

// Unreached code between the beginning of a function and the last that it reaches, before the next one begins, is part
// of it.
void CodeFlow::MarkInside(uint32_t start, const std::vector<uint32_t>& reached) {
  uint32_t next = start + 1;
  while (next < blocks_.size() && !blocks_[next].is_start) ++next;
  uint32_t last = start;
  for (const uint32_t block : reached) {
    if (block < next) last = std::max(last, block);
  }
  for (uint32_t block = start + 1; block < last; ++block) blocks_[block].is_inside = true;
}

void CodeFlow::Keep(uint32_t start, const Attempt& attempt) {
  std::vector<uint32_t> reached;
  for (const auto& [block, state] : attempt.changed) reached.push_back(block);
  MarkInside(start, reached);
  for (const auto& [offset, state] : attempt.indirect) indirect_.insert_or_assign(offset, state);
  for (const auto& [block, state] : attempt.after_call) after_call_.insert_or_assign(block, state);
}

// All that can be reached and has no state stays without.
void CodeFlow::GiveUp(uint32_t start, const Attempt& attempt) {
  const Unclear reason = attempt.too_complex ? Unclear::kTooComplex : ReasonOf(attempt.fault);
  std::vector<uint32_t> reached;
  const auto reach = [&](uint32_t to) {
    Block& block = blocks_[to];
    if (block.state != kNoBlock || block.given_up || (block.is_start && to != start)) return;
    block.given_up = true;
    block.reason = reason;
    reached.push_back(to);
  };
  reach(start);
  for (size_t i = 0; i < reached.size(); ++i) {
    const uint32_t number = reached[i];
    const uint32_t end = BlockEnd(number);
    bool goes_on = true;
    for (uint32_t e = blocks_[number].first_event; e < sweep_.events.size() && sweep_.events[e].at < end; ++e) {
      const CodeEvent& event = sweep_.events[e];
      const bool branches = event.op == CodeOp::kJump || event.op == CodeOp::kCondition;
      if (branches && event.value >= 0) reach(static_cast<uint32_t>(event.value));
      if (!EndsFlow(event.op)) continue;
      goes_on = event.op == CodeOp::kCallBeforeGap;
      break;
    }
    if (goes_on && number + 1 < blocks_.size()) reach(number + 1);
  }
  MarkInside(start, reached);
  for (uint32_t block = start + 1; block < blocks_.size() && blocks_[block].is_inside; ++block) {
    blocks_[block].given_up = blocks_[block].given_up || blocks_[block].state == kNoBlock;
  }
  ++unclear_functions_;
}

void CodeFlow::FollowFrames(uint32_t start, Unclear reason) {
  Attempt attempt{.frames_only = true};
  blocks_[start].frames_only = true;
  Follow(start, FrameState::AtEntry(), attempt);
  for (const auto& [block, before] : attempt.changed) blocks_[block].reason = reason;
  if (!attempt.ok()) TakeBack(attempt);
}

// As Follow, for code that moves its frame, too.
void CodeFlow::FollowStart(uint32_t start, const FrameState& state, Attempt& attempt) {
  for (;;) {
    Follow(start, state, attempt);
    const bool depth = attempt.fault == Fault::kTailDepth || attempt.fault == Fault::kReturnDepth;
    const bool forget = depth && attempt.depths == FrameState::Depths::kCalleesPop;
    if (!attempt.found_move_end && !forget) break;
    TakeBack(attempt);
    attempt = Attempt{.depths = forget ? FrameState::Depths::kDiffer : attempt.depths,
                      .move_ends = std::move(attempt.move_ends)};
  }
  if (attempt.ok() && attempt.moves_frame && !ResolveMoves(attempt)) attempt.fault = Fault::kJoin;
}

void CodeFlow::RunStarts() {
  for (uint32_t block = 0; block < blocks_.size(); ++block) {
    if (!blocks_[block].is_start) continue;
    ++functions_;
    Attempt attempt;
    FollowStart(block, FrameState::AtEntry(), attempt);
    if (attempt.ok()) {
      Keep(block, attempt);
      continue;
    }
    TakeBack(attempt);
    if (FollowInFrame(block)) continue;
    GiveUp(block, attempt);
    FollowFrames(block, blocks_[block].reason);
  }
}

// V8 jumps, from all baseline code, to common code that takes the frame down and returns. Only such code gets its stack
// pointer from the RBP that it found, and finds the return address there.
bool CodeFlow::FollowInFrame(uint32_t start) {
  Attempt attempt{.is_guess = true};
  Follow(start, FrameState::InFrame(), attempt);
  if (attempt.ok() && attempt.evidence != 0) {
    Keep(start, attempt);
    return true;
  }
  TakeBack(attempt);
  return false;
}

void CodeFlow::Run() {
  RunStarts();
  RunTableTargets();
  RunUnreached(true);
  RunTableTargets();
  RunUnreached(false);
  state_numbers_.clear();
}

// Nothing flows into padding. A return address behind it was put there by somebody who had code entered at its
// beginning by a return, as V8's deoptimizer does. What holds there is looked for at the byte before.
void CodeFlow::VisitPadding(uint32_t number, uint32_t begin, const std::function<void(const Stretch&)>& visit) const {
  const uint32_t end = BlockEnd(number);
  if (begin >= end || number + 1 >= blocks_.size()) return;
  const Block& next = blocks_[number + 1];
  if (!next.is_start) return;
  const FrameState* state = next.state == kNoBlock ? nullptr : &states_[next.state];
  const bool holds = state != nullptr && (!next.frames_only || state->HasFramePointer());
  visit({.begin = begin, .end = end, .state = holds ? state : nullptr, .reason = next.reason});
}

void CodeFlow::Visit(const std::function<void(const Stretch&)>& visit) const {
  for (uint32_t number = 0; number < blocks_.size(); ++number) {
    const Block& block = blocks_[number];
    const uint32_t end = BlockEnd(number);
    if (block.state == kNoBlock) {
      visit({.begin = block.begin, .end = end, .state = nullptr, .reason = block.reason});
      continue;
    }
    FrameState state = states_[block.state];
    const auto moving = moving_.find(number);
    const auto add = [&](uint32_t from, uint32_t to, const FrameState& known) {
      const bool holds = !block.frames_only || known.HasFramePointer();
      const Stretch stretch{.begin = from, .end = to, .state = holds ? &known : nullptr, .reason = block.reason};
      moving == moving_.end() ? visit(stretch) : VisitMoving(moving->second, stretch, visit);
    };
    uint32_t begin = block.begin;
    bool ended = false;
    for (uint32_t i = block.first_event; i < sweep_.events.size() && sweep_.events[i].at < end && !ended; ++i) {
      const CodeEvent& event = sweep_.events[i];
      const uint32_t behind = event.at + event.bytes;
      if (EndsFlow(event.op)) {
        add(begin, behind, state);
        VisitPadding(number, behind, visit);
        ended = true;
        continue;
      }
      const FrameState before = state;
      (void)state.Apply(event);
      if (before == state) continue;
      if (begin < behind) add(begin, behind, before);
      begin = behind;
    }
    if (!ended && begin < end) add(begin, end, state);
  }
}

}  // namespace kiln::symbolizer
