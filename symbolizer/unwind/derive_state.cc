// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/derive_state.h"

#include <algorithm>
#include <limits>

#include "bpf/registers.h"

namespace kiln::symbolizer {
namespace {

constexpr int32_t kMaxOffset = 1 << 30;
constexpr FrameValue kCallersRbp{.kind = FrameValue::kCallersRbp};
constexpr FrameValue kReturnAddress{.kind = FrameValue::kReturnAddress};
constexpr std::array<uint8_t, 16> kRuleRegisters = {
    KILN_X86_AX, KILN_X86_CX, KILN_X86_DX,  KILN_X86_BX,  KILN_X86_SP,  KILN_X86_BP,  KILN_X86_SI,  KILN_X86_DI,
    KILN_X86_R8, KILN_X86_R9, KILN_X86_R10, KILN_X86_R11, KILN_X86_R12, KILN_X86_R13, KILN_X86_R14, KILN_X86_R15};

}  // namespace

FrameValue FrameValue::Address(uint32_t base, int64_t offset) {
  if (offset > kMaxOffset || offset < -kMaxOffset) return {};
  return {.kind = kAddress, .base = base, .offset = static_cast<int32_t>(offset)};
}

FrameState FrameState::AtEntry() {
  FrameState state;
  state.registers_[kRsp] = FrameValue::Address(0, -8);
  state.registers_[kRbp] = kCallersRbp;
  state.slots_[0] = {.place = FrameValue::Address(0, -8), .value = kReturnAddress};
  return state;
}

FrameState FrameState::InFrame() {
  FrameState state;
  state.registers_[kRbp] = FrameValue::Address(0, -16);
  state.slots_[0] = {.place = FrameValue::Address(0, -16), .value = kCallersRbp};
  state.slots_[1] = {.place = FrameValue::Address(0, -8), .value = kReturnAddress};
  return state;
}

bool FrameState::IsLikeEntry() const { return rsp().IsAt(0, -8) && rbp() == kCallersRbp; }

FrameValue FrameState::Load(const FrameValue& place) const {
  if (!place.IsAddress()) return {};
  for (const Slot& slot : slots_) {
    if (slot.place == place) return slot.value;
  }
  return {};
}

void FrameState::EraseSlot(size_t index) {
  std::shift_left(slots_.begin() + index, slots_.end(), 1);
  slots_.back() = {};
}

void FrameState::Store(const FrameValue& place, const FrameValue& value) {
  if (!place.IsAddress()) return;
  for (size_t i = 0; i < kMaxSlots && slots_[i].place.IsAddress();) {
    const bool overlaps = slots_[i].place.base == place.base && std::abs(slots_[i].place.offset - place.offset) < 8;
    overlaps ? EraseSlot(i) : void(++i);
  }
  if (value.kind == FrameValue::kUnknown || value.kind == FrameValue::kZero) return;
  // In the order of their places, so that equal states are equal bytewise.
  const auto before = [](const Slot& slot, const FrameValue& at) {
    return slot.place.IsAddress() &&
           std::pair(slot.place.base, slot.place.offset) < std::pair(uint32_t{at.base}, at.offset);
  };
  if (slots_.back().place.IsAddress()) return;  // full
  const auto at = std::lower_bound(slots_.begin(), slots_.end(), place, before);
  std::shift_right(at, slots_.end(), 1);
  *at = {.place = place, .value = value};
}

// What lies beyond the stack pointer may be gone, but for the return address that was just popped: signal handlers
// leave 128 bytes there alone, and what is stored there is told.
FrameState::Fault FrameState::MoveRsp(const FrameValue& to, uint32_t at) {
  if (!to.IsAddress()) {
    if (!Rebase()) NewBase(kRsp, at);
    return Fault::kNone;
  }
  registers_[kRsp] = to;
  if (to.base == 0 && to.offset > 0 && Load(to) != kReturnAddress && !Rebase()) return Fault::kAboveFrame;
  for (size_t i = 0; i < kMaxSlots && slots_[i].place.IsAddress();) {
    const Slot& slot = slots_[i];
    const bool return_address = slot.value == kReturnAddress;
    const bool below = slot.place.base == rsp().base ? slot.place.offset < rsp().offset : rsp().base == 0;
    below && !return_address ? EraseSlot(i) : void(++i);
  }
  return Fault::kNone;
}

// `reg` now holds an address of which nothing is known: it becomes a base.
void FrameState::NewBase(uint8_t reg, uint32_t at) {
  const uint32_t base = at + 1;
  for (FrameValue& value : registers_) {
    if (value.IsAddress() && value.base == base) value = {};
  }
  for (size_t i = 0; i < kMaxSlots && slots_[i].place.IsAddress();) {
    const FrameValue& value = slots_[i].value;
    const bool refers = slots_[i].place.base == base || (value.IsAddress() && value.base == base);
    refers ? EraseSlot(i) : void(++i);
  }
  registers_[reg] = FrameValue::Address(base, 0);
}

bool FrameState::Rebase() {
  if (rbp() != kCallersRbp) return false;
  const auto holder = std::ranges::find(registers_, kReturnAddress);
  if (holder == registers_.end()) return false;
  const auto reg = holder - registers_.begin();
  *this = {};
  registers_[reg] = kReturnAddress;
  registers_[kRbp] = kCallersRbp;
  registers_[kRsp] = FrameValue::Address(0, 0);
  return true;
}

// A function that drops its return address can't go back to its caller: it goes on in its caller's place. V8's baseline
// prologue does so, in order to call something else than the function whose prologue it is. If such a function pushes
// RBP where the return address was and sets RBP to it, that is a frame record, which has the return address next to it:
// the caller's.
bool FrameState::IsFrameOfCaller() const {
  const auto is_return_address = [](const Slot& slot) { return slot.value == kReturnAddress; };
  return rsp().IsAt(0, -8) && Load(rsp()) == kCallersRbp && std::ranges::none_of(slots_, is_return_address) &&
         std::ranges::find(registers_, kReturnAddress) == registers_.end();
}

void FrameState::EnterFrame() {
  *this = InFrame();
  registers_[kRsp] = registers_[kRbp];
}

FrameState::Fault FrameState::SetRegister(uint8_t reg, const FrameValue& value, uint32_t at) {
  if (reg == kRsp) return MoveRsp(value, at);
  registers_[reg] = value;
  return Fault::kNone;
}

void FrameState::Push(const FrameValue& value) {
  if (!rsp().IsAddress()) return;
  registers_[kRsp] = FrameValue::Address(rsp().base, int64_t{rsp().offset} - 8);
  Store(rsp(), value);
}

// A register that alone leads to the frame is still needed, so the callee, which is assembly, too, must leave it as it
// is.
void FrameState::Call() {
  kiln_rule rule{};
  const std::array<FrameValue, 16> before = registers_;
  const bool had_frame = FindCfa(rule);
  for (uint8_t reg = 0; reg < 16; ++reg) {
    if ((kCallerSaved >> reg & 1) != 0) registers_[reg] = {};
  }
  if (had_frame && !FindCfa(rule)) {
    for (uint8_t reg = 0; reg < 16; ++reg) {
      if (before[reg].IsOnCfa()) registers_[reg] = before[reg];
    }
  }
  if (!rsp().IsAddress()) return;
  for (size_t i = 0; i < kMaxSlots && slots_[i].place.IsAddress();) {
    const bool below = slots_[i].place.base == rsp().base && slots_[i].place.offset < rsp().offset;
    below ? EraseSlot(i) : void(++i);
  }
}

FrameState::Fault FrameState::Apply(const CodeEvent& event) {
  const auto plus = [&](const FrameValue& value, int64_t offset) {
    return value.IsAddress() ? FrameValue::Address(value.base, value.offset + offset)
           : offset == 0     ? value
                             : FrameValue{};
  };
  switch (event.op) {
    case CodeOp::kPush: Push(registers_[event.reg]); return Fault::kNone;
    case CodeOp::kPushMemory: Push(Load(plus(registers_[event.base], event.value))); return Fault::kNone;
    case CodeOp::kPushOther: Push({}); return Fault::kNone;
    case CodeOp::kPopMemory: {
      const FrameValue value = Load(rsp());
      const Fault fault = rsp().IsAddress() ? MoveRsp(plus(rsp(), 8), event.at) : Fault::kNone;
      Store(plus(registers_[event.base], event.value), value);
      return fault;
    }
    case CodeOp::kPopOther: return rsp().IsAddress() ? MoveRsp(plus(rsp(), 8), event.at) : Fault::kNone;
    case CodeOp::kPop: {
      const FrameValue value = Load(rsp());
      if (event.reg != kRsp) registers_[event.reg] = value;
      if (event.reg == kRsp) return MoveRsp(value, event.at);
      return rsp().IsAddress() ? MoveRsp(plus(rsp(), 8), event.at) : Fault::kNone;
    }
    case CodeOp::kSet:
      // With an unknown stack pointer a constant more or less changes nothing.
      if (event.reg == kRsp && event.base == kRsp && !rsp().IsAddress()) return Fault::kNone;
      // Takes the caller's frame down.
      if (event.reg == kRsp && event.base == kRbp && rbp() == kCallersRbp) {
        registers_[kRsp] = {};
        return Fault::kAboveFrame;
      }
      if (event.reg == kRbp && event.base == kRsp && event.value == 0 && IsFrameOfCaller()) {
        EnterFrame();
        return Fault::kNone;
      }
      return SetRegister(event.reg, plus(registers_[event.base], event.value), event.at);
    case CodeOp::kAlign: NewBase(event.reg, event.at); return Fault::kNone;
    case CodeOp::kStore: Store(plus(registers_[event.base], event.value), registers_[event.reg]); return Fault::kNone;
    case CodeOp::kLoad: return SetRegister(event.reg, Load(plus(registers_[event.base], event.value)), event.at);
    case CodeOp::kExchange: {
      const FrameValue a = registers_[event.reg];
      const FrameValue b = registers_[event.base];
      const Fault fault = SetRegister(event.reg, b, event.at);
      return fault != Fault::kNone ? fault : SetRegister(event.base, a, event.at);
    }
    case CodeOp::kLeave: {
      const FrameValue frame = rbp();
      if (frame == kCallersRbp) {
        registers_[kRsp] = registers_[kRbp] = {};
        return Fault::kAboveFrame;
      }
      registers_[kRbp] = Load(frame);
      return MoveRsp(plus(frame, 8), event.at);
    }
    case CodeOp::kKill:
    case CodeOp::kShift: return SetRegister(event.reg, {}, event.at);
    case CodeOp::kZero: registers_[event.reg] = {.kind = FrameValue::kZero}; return Fault::kNone;
    case CodeOp::kCall:
    case CodeOp::kCallBeforeGap: Call(); return Fault::kNone;
    case CodeOp::kJump:
    case CodeOp::kCondition:
    case CodeOp::kJumpIndirect:
    case CodeOp::kReturn:
    case CodeOp::kStop: return Fault::kNone;
  }
  return Fault::kNone;
}

FrameState::Fault FrameState::CheckReturn() const {
  if (!rsp().IsOnCfa() || IsSpecial(Rule(), KILN_SPECIAL_ROOT)) return Fault::kNone;
  // V8 moves the return address when it calls on with fewer arguments on the stack.
  return Load(rsp()) == kReturnAddress ? Fault::kNone : Fault::kReturnDepth;
}

// What both have. Values of places count only if both have them there.
FrameState FrameState::MeetFrames(const FrameState& a, const FrameState& b) {
  FrameState met;
  for (uint8_t reg = 0; reg < 16; ++reg) {
    if (a.registers_[reg] == b.registers_[reg]) met.registers_[reg] = a.registers_[reg];
  }
  size_t count = 0;
  for (const Slot& slot : a.slots_) {
    if (slot.place.IsAddress() && b.Load(slot.place) == slot.value) met.slots_[count++] = slot;
  }
  return met;
}

FrameState::Fault FrameState::Meet(const FrameState& a, const FrameState& b, Depths depths, FrameState& out) {
  FrameState met = a == b ? a : MeetFrames(a, b);
  const bool rsp_differs = a.rsp() != b.rsp() && a.rsp().IsAddress() && b.rsp().IsAddress();
  const bool frame = std::ranges::any_of(met.registers_, [](const FrameValue& value) { return value.IsOnCfa(); });
  // Between popping the return address and pushing it again, there is no frame.
  if (rsp_differs && !frame && !met.Rebase()) return Fault::kJoin;
  // A program that really has different depths here can't use the stack pointer before it gets it from RBP again. If it
  // does, the depths are the same, since a callee took its arguments off the stack on the way that seems deeper. Only
  // `a` may be the other one, so that going round a loop that pops comes to an end.
  const bool seems_deeper = a.rsp().base == b.rsp().base && a.rsp().offset > b.rsp().offset;
  if (rsp_differs && seems_deeper && depths == Depths::kCalleesPop && met.HasFramePointer()) {
    met.registers_[kRsp] = a.rsp();
  }
  out = met;
  return Fault::kNone;
}

bool FrameState::HasMoved() const {
  kiln_rule rule{};
  return rsp().IsAddress() && rsp().base != 0 && rbp() == kCallersRbp && !FindCfa(rule) &&
         std::ranges::find(registers_, kReturnAddress) == registers_.end();
}

FrameState FrameState::MeetMoved(const FrameState& entry, const FrameState& moved) {
  FrameState met = MeetFrames(entry, moved);
  met.registers_[kRsp] = entry.rsp();
  met.Store(entry.rsp(), kReturnAddress);
  return met;
}

FrameState FrameState::Moved(uint32_t base, int32_t return_address) const {
  const auto in_moved_frame = [&](const FrameValue& value) {
    if (!value.IsAddress()) return value.kind == FrameValue::kReturnAddress ? FrameValue{} : value;
    if (value.base == 0) return FrameValue{};
    return value.base == base ? FrameValue::Address(0, int64_t{value.offset} - return_address - 8) : value;
  };
  FrameState state;
  for (uint8_t reg = 0; reg < 16; ++reg) state.registers_[reg] = in_moved_frame(registers_[reg]);
  for (const Slot& slot : slots_) state.Store(in_moved_frame(slot.place), in_moved_frame(slot.value));
  state.Store(FrameValue::Address(0, -8), kReturnAddress);
  return state;
}

void FrameState::ForgetHolders() {
  for (uint8_t reg = 0; reg < 16; ++reg) {
    if (reg != kRsp && reg != kRbp) registers_[reg] = {};
  }
}

bool FrameState::Reach(const FrameValue& place, uint8_t& reg, int32_t& offset) const {
  for (const uint8_t candidate : {kRsp, kRbp}) {
    const FrameValue& value = registers_[candidate];
    if (!value.IsAddress() || value.base != place.base) continue;
    reg = kRuleRegisters[candidate];
    offset = place.offset - value.offset;
    return true;
  }
  return false;
}

bool FrameState::FindCfa(kiln_rule& rule) const {
  rule.cfa_kind = KILN_CFA_REGISTER;
  const auto by_register = [&](uint8_t reg) {
    rule.cfa_register = kRuleRegisters[reg];
    rule.cfa_offset = -registers_[reg].offset;
    return true;
  };
  // A usual frame pointer: it outlives all that the stack pointer does, and one rule serves the whole body.
  if (HasFramePointer()) return by_register(kRbp);
  if (rsp().IsOnCfa()) return by_register(kRsp);
  if (rbp().IsOnCfa()) return by_register(kRbp);
  for (const Slot& slot : slots_) {
    if (!slot.value.IsOnCfa() || !Reach(slot.place, rule.cfa_register, rule.cfa_offset)) continue;
    rule.cfa_kind = KILN_CFA_DEREF;
    rule.cfa_second = -slot.value.offset;
    return true;
  }
  for (uint8_t reg = 0; reg < 16; ++reg) {
    if (registers_[reg].IsOnCfa()) return by_register(reg);
  }
  return false;
}

bool FrameState::FindReturnAddress(kiln_rule& rule) const {
  for (const Slot& slot : slots_) {
    if (slot.value != kReturnAddress || slot.place.base != 0) continue;
    rule.ra_kind = KILN_VALUE_AT_CFA;
    rule.ra_offset = slot.place.offset;
    return true;
  }
  const auto holder = std::ranges::find(registers_, kReturnAddress);
  if (holder == registers_.end()) return false;
  rule.ra_kind = KILN_VALUE_REGISTER;
  rule.ra_register = kRuleRegisters[static_cast<size_t>(holder - registers_.begin())];
  return true;
}

void FrameState::FindRbp(kiln_rule& rule) const {
  rule.fp_kind = KILN_VALUE_LOST;
  if (rbp() == kCallersRbp) {
    rule.fp_kind = KILN_VALUE_SAME;
    return;
  }
  for (const Slot& slot : slots_) {
    if (slot.value != kCallersRbp) continue;
    if (slot.place.base == 0) {
      rule.fp_kind = KILN_VALUE_AT_CFA;
      rule.fp_offset = slot.place.offset;
      return;
    }
    if (Reach(slot.place, rule.fp_register, rule.fp_offset)) {
      rule.fp_kind = KILN_VALUE_DEREF;
      return;
    }
  }
  const auto holder = std::ranges::find(registers_, kCallersRbp);
  if (holder == registers_.end()) return;
  rule.fp_kind = KILN_VALUE_REGISTER;
  rule.fp_register = kRuleRegisters[static_cast<size_t>(holder - registers_.begin())];
}

kiln_rule FrameState::Rule() const {
  kiln_rule rule{};
  FindRbp(rule);
  // System V ABI, section 3.4.1: the outermost frame is marked by an RBP of zero.
  if (rbp().kind == FrameValue::kZero && rule.fp_kind == KILN_VALUE_LOST) return SpecialRule(KILN_SPECIAL_ROOT);
  if (!FindCfa(rule) || !FindReturnAddress(rule)) return SpecialRule(KILN_SPECIAL_UNCLEAR);
  rule.flags = KILN_RULE_DERIVED;
  return rule;
}

std::optional<int64_t> FrameState::OnCfa(uint8_t kiln_register, int32_t offset) const {
  const auto found = std::ranges::find(kRuleRegisters, kiln_register);
  if (found == kRuleRegisters.end()) return std::nullopt;
  const FrameValue& value = registers_[static_cast<size_t>(found - kRuleRegisters.begin())];
  if (!value.IsOnCfa()) return std::nullopt;
  return int64_t{value.offset} + offset;
}

}  // namespace kiln::symbolizer
