// SPDX-License-Identifier: Apache-2.0
// The part of CodeFlow that deals with code which nothing has reached: see the head of derive_flow.h.
#include <algorithm>

#include "symbolizer/unwind/derive_flow.h"

namespace kiln::symbolizer {
namespace {

// Different states of the indirect jumps of one function that are tried, and jumps that are looked at for them.
constexpr size_t kMaxIndirectStates = 3;
constexpr size_t kMaxIndirectJumps = 64;

}  // namespace

bool CodeFlow::HasUnreachedSource(uint32_t block) const {
  auto source = std::ranges::lower_bound(sources_, block, {}, &std::pair<uint32_t, uint32_t>::first);
  for (; source != sources_.end() && source->first == block; ++source) {
    if (blocks_[source->second].state == kNoBlock) return true;
  }
  return false;
}

// A table may have been taken for longer than it is, so its targets only suggest a state.
bool CodeFlow::TryTableTarget(uint32_t number) {
  Block& block = blocks_[number];
  auto target = std::ranges::lower_bound(hints_.table_targets, block.begin, {}, &std::pair<uint32_t, uint32_t>::first);
  for (; target != hints_.table_targets.end() && target->first == block.begin; ++target) {
    const auto jump = indirect_.find(target->second);
    if (jump == indirect_.end()) continue;
    FrameState state = states_[jump->second];
    if (block.region != blocks_[BlockContaining(target->second)].region) state.ForgetHolders();
    Attempt attempt{.is_guess = true};
    Follow(number, state, attempt);
    if (attempt.ok()) {
      Keep(number, attempt);
      return true;
    }
    TakeBack(attempt);
  }
  return false;
}

std::vector<CodeFlow::Candidate> CodeFlow::CandidatesFor(uint32_t number, uint32_t function) {
  const Block& block = blocks_[number];
  std::vector<Candidate> candidates;
  const auto add = [&](Origin origin, const FrameState& state) {
    if (std::ranges::find(candidates, state, &Candidate::state) != candidates.end()) return;
    candidates.push_back({.origin = origin, .state = state});
  };
  // A function may begin inside of another one's reach only if it looks like one.
  if (!block.is_inside || block.is_region || block.is_likely) add(Origin::kEntry, FrameState::AtEntry());
  if (const auto found = after_call_.find(number); found != after_call_.end()) {
    add(Origin::kAfterCall, states_[found->second]);
  }
  const size_t others = candidates.size();
  size_t seen = 0;
  for (auto jump = indirect_.lower_bound(block.begin); jump != indirect_.begin() && seen < kMaxIndirectJumps; ++seen) {
    --jump;
    if (jump->first < blocks_[function].begin || candidates.size() >= others + kMaxIndirectStates) break;
    FrameState state = states_[jump->second];
    state.ForgetHolders();
    if (!state.IsLikeEntry()) add(Origin::kIndirectJump, state);
  }
  return candidates;
}

// The candidate to believe, out of those that lead to no contradiction; nullptr if that isn't clear.
const CodeFlow::Candidate* CodeFlow::Choose(const Block& block, std::vector<Candidate>& candidates) const {
  const bool alone = candidates.size() == 1;
  std::erase_if(candidates, [](const Candidate& candidate) { return !candidate.fits; });
  const auto proven = [](const Candidate& candidate) { return candidate.evidence + candidate.joins != 0; };
  const auto joined = [](const Candidate& candidate) { return candidate.joins != 0; };
  const auto find = [&](Origin origin) {
    const auto found = std::ranges::find(candidates, origin, &Candidate::origin);
    return found == candidates.end() ? nullptr : &*found;
  };
  if (std::ranges::any_of(candidates, proven)) {
    std::erase_if(candidates, [&](const Candidate& candidate) { return !proven(candidate); });
    if (candidates.size() == 1) return &candidates[0];
    if (block.is_likely && find(Origin::kEntry) != nullptr) return find(Origin::kEntry);
    if (std::ranges::any_of(candidates, joined)) {
      std::erase_if(candidates, [&](const Candidate& candidate) { return !joined(candidate); });
    }
    if (candidates.size() == 1) return &candidates[0];
    return block.is_region ? find(Origin::kEntry) : nullptr;
  }
  const bool like_a_function = block.is_likely || block.is_region;
  if (alone && like_a_function && !block.is_inside && find(Origin::kEntry) != nullptr) return find(Origin::kEntry);
  // Most calls return, but what follows this one may be a function that doesn't.
  return find(Origin::kEntry) != nullptr ? nullptr : find(Origin::kAfterCall);
}

void CodeFlow::TryUnreached(uint32_t number, uint32_t function) {
  Block& block = blocks_[number];
  if (block.is_table_target && TryTableTarget(number)) return;
  std::vector<Candidate> candidates = CandidatesFor(number, function);
  Attempt first;
  for (Candidate& candidate : candidates) {
    Attempt attempt{.is_guess = true};
    Follow(number, candidate.state, attempt);
    // Whoever jumps to the beginning of a function that nobody points to is the function itself.
    const bool strange = candidate.origin == Origin::kEntry && !block.is_likely && HasUnreachedSource(number);
    TakeBack(attempt);
    candidate.fits = attempt.ok() && !strange;
    candidate.evidence = attempt.evidence;
    candidate.joins = attempt.joins;
    if (&candidate == &candidates[0]) first = std::move(attempt);
  }
  const size_t fitting = static_cast<size_t>(std::ranges::count(candidates, true, &Candidate::fits));
  if (const Candidate* chosen = Choose(block, candidates); chosen != nullptr) {
    Attempt attempt{.is_guess = true};
    Follow(number, chosen->state, attempt);
    Keep(number, attempt);
    if (chosen->origin == Origin::kEntry) ++functions_;
    return;
  }
  if (fitting == 0) {
    GiveUp(number, first);
  } else {
    block.reason = fitting > 1 ? Unclear::kAmbiguous : Unclear::kUnreached;
  }
  block.given_up = true;
}

void CodeFlow::RunUnreached(bool likely) {
  uint32_t function = 0;
  for (uint32_t block = 0; block < blocks_.size(); ++block) {
    const Block& at = blocks_[block];
    if (at.is_start) function = block;
    if (at.state != kNoBlock || at.given_up || (likely && !at.is_likely && !at.is_region) || at.is_start) continue;
    // Targets of jumps that nobody has reached are reached from unreached code, which comes first.
    if (!at.after_stop && !at.is_likely && !at.is_table_target) continue;
    TryUnreached(block, function);
  }
}

void CodeFlow::RunTableTargets() {
  for (uint32_t block = 0; block < blocks_.size(); ++block) {
    const Block& at = blocks_[block];
    if (at.is_table_target && at.state == kNoBlock && !at.given_up && !at.is_start) (void)TryTableTarget(block);
  }
}

}  // namespace kiln::symbolizer
