// SPDX-License-Identifier: Apache-2.0
// What is known of the registers and of the frame at one place in x86-64 code, and how the events of derive_sweep.h
// change it.
//
// Values are known as far as unwinding asks: the address of a place in the frame, the caller's RBP, the return address,
// zero. A place is so many bytes from a base. Base 0 is the CFA. Where the stack pointer is aligned, or moved by an
// amount that isn't known, what it is then becomes a base of its own, named after that instruction. The values at some
// places are known, too: what was pushed and stored.
//
// The CFA is where it was when the function was entered. Functions that take their arguments off the stack, as V8's
// builtins do, pop the return address, move the stack pointer, and push it again: with the return address in a register
// and RBP as it was, the CFA moves to where the stack pointer goes (Rebase).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>

#include "bpf/unwind_table.h"
#include "symbolizer/unwind/derive_sweep.h"
#include "symbolizer/unwind/row.h"

namespace kiln::symbolizer {

struct FrameValue {
  enum Kind : uint32_t { kUnknown, kAddress, kCallersRbp, kReturnAddress, kZero };
  Kind kind : 3 = kUnknown;
  uint32_t base : 29 = 0;  // kAddress: base + offset
  int32_t offset = 0;

  static FrameValue Address(uint32_t base, int64_t offset);  // kUnknown if the offset is too large
  bool IsAddress() const { return kind == kAddress; }
  bool IsOnCfa() const { return kind == kAddress && base == 0; }
  bool IsAt(uint32_t of, int32_t at) const { return kind == kAddress && base == of && offset == at; }
  bool operator==(const FrameValue&) const = default;
};

// A value. Bytewise comparable.
class FrameState {
 public:
  // Why the code contradicts itself.
  enum class Fault : uint8_t { kNone, kAboveFrame, kReturnDepth, kTailDepth, kJoin };

  // As a function finds it: SP = CFA - 8, the return address there.
  static FrameState AtEntry();
  // As a part of a function finds it that is jumped to with its frame set up: RBP at the frame record (System V ABI,
  // section 3.2.2), the stack pointer somewhere below.
  static FrameState InFrame();

  // Without the flow of control. kAboveFrame: the stack pointer went above the return address.
  Fault Apply(const CodeEvent& event);
  // kReturnDepth unless the stack pointer is at the return address, or isn't known.
  Fault CheckReturn() const;
  // What is known on both ways to one place, `a` the one that was known first. kJoin if the frame is lost by it: the
  // stack pointers differ, and no register has an address of the frame on both. kCalleesPop: keeps one of them if RBP
  // leads to the frame.
  enum class Depths : uint8_t { kCalleesPop, kDiffer };
  static Fault Meet(const FrameState& a, const FrameState& b, Depths depths, FrameState& out);
  // The same, but forgets a stack pointer that differs.
  static FrameState MeetFrames(const FrameState& a, const FrameState& b);
  // The stack pointer was moved by an amount that isn't known, and nothing leads to where it was.
  bool HasMoved() const;
  // A function moves its frame on one way (`moved`) and not on another (`entry`, which IsLikeEntry), and both meet: see
  // derive_moves.h. What is known of both.
  static FrameState MeetMoved(const FrameState& entry, const FrameState& moved);
  // This, where the frame has been moved: with the return address at `base` + `return_address`. What was known of the
  // frame's old place is forgotten.
  FrameState Moved(uint32_t base, int32_t return_address) const;
  // Forgets the registers but RSP and RBP, whose changes are not told across regions.
  void ForgetHolders();

  // The rule that holds here (flagged as derived), KILN_SPECIAL_ROOT or KILN_SPECIAL_UNCLEAR.
  kiln_rule Rule() const;
  // base + offset of register `reg` as a rule names it; nullopt if it isn't known where in the frame that is. For
  // tests.
  std::optional<int64_t> OnCfa(uint8_t kiln_register, int32_t offset) const;

  // RBP points to where the caller's RBP was pushed.
  bool HasFramePointer() const {
    return rbp().IsAt(0, -16) && Load(rbp()) == FrameValue{.kind = FrameValue::kCallersRbp};
  }
  // As for a caller, as far as unwinding is concerned.
  bool IsLikeEntry() const;
  // The return address is on top of the stack.
  bool HasReturnAddress() const { return Load(rsp()) == FrameValue{.kind = FrameValue::kReturnAddress}; }
  const FrameValue& rsp() const { return registers_[kRsp]; }
  const FrameValue& rbp() const { return registers_[kRbp]; }

  bool operator==(const FrameState&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const FrameState& state) {
    return H::combine_contiguous(std::move(hash), reinterpret_cast<const unsigned char*>(&state), sizeof(state));
  }

 private:
  static constexpr size_t kMaxSlots = 6;
  struct Slot {
    FrameValue place;  // kUnknown: the slot is free, and so are those behind it
    FrameValue value;
    bool operator==(const Slot&) const = default;
  };

  FrameValue Load(const FrameValue& place) const;
  void Store(const FrameValue& place, const FrameValue& value);
  void EraseSlot(size_t index);
  Fault MoveRsp(const FrameValue& to, uint32_t at);
  Fault SetRegister(uint8_t reg, const FrameValue& value, uint32_t at);
  void NewBase(uint8_t reg, uint32_t at);
  bool Rebase();
  bool IsFrameOfCaller() const;
  void EnterFrame();
  void Push(const FrameValue& value);
  void Call();
  // The register and offset by which a rule reaches a place; RSP first.
  bool Reach(const FrameValue& place, uint8_t& reg, int32_t& offset) const;
  bool FindCfa(kiln_rule& rule) const;
  bool FindReturnAddress(kiln_rule& rule) const;
  void FindRbp(kiln_rule& rule) const;

  std::array<FrameValue, 16> registers_{};
  std::array<Slot, kMaxSlots> slots_{};
};

}  // namespace kiln::symbolizer
