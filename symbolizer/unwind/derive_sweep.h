// SPDX-License-Identifier: Apache-2.0
// Finds in x86-64 machine code what bears on unwinding: one linear pass decodes all instructions and keeps, as events,
// those that move SP or RBP, copy or save an address of the frame, or change the flow of control. That is one
// instruction in seven.
//
// Registers that hold an address of the frame are called holders (`mov rax, rsp`). A write to a holder is an event,
// too. Where the pass takes code for the beginning of a function (a region), it forgets its holders: who follows a jump
// into another region must do the same.
//
// Data between functions is decoded as if it were code. That is harmless: nothing flows into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"

namespace kiln::symbolizer {

// Numbers of instruction encodings: 0 … 15 are RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 … R15.
inline constexpr uint8_t kRsp = 4;
inline constexpr uint8_t kRbp = 5;
inline constexpr uint16_t kCallerSaved = 0x0fc7;  // System V ABI: RAX, RCX, RDX, RSI, RDI, R8 … R11

enum class CodeOp : uint8_t {
  kPush,           // reg
  kPushMemory,     // *(base + value)
  kPushOther,      // 8 bytes of something else
  kPop,            // reg
  kPopMemory,      // to *(base + value), where base is what it is behind the pop
  kPopOther,       // 8 bytes to somewhere else
  kSet,            // reg = base + value
  kAlign,          // reg is rounded down
  kStore,          // *(base + value) = reg
  kLoad,           // reg = *(base + value)
  kExchange,       // reg and base
  kLeave,          // RSP = RBP, pop RBP
  kKill,           // reg = something else
  kShift,          // RSP moves by an amount that isn't known
  kZero,           // reg = 0
  kCall,           // value: target, or kOutside
  kCallBeforeGap,  // the same; padding follows, so it may not return
  kJump,           // value: target, or kOutside
  kCondition,      // jumps to the target, or goes on
  kJumpIndirect,
  kReturn,
  kStop,  // the end of this way: ud2, hlt, int3, or no instruction
};

// Instead of the target of a branch: not in this code; in this code, but no instruction.
inline constexpr int32_t kOutside = -1;
inline constexpr int32_t kNowhere = -2;

struct CodeEvent {
  uint32_t at;  // offset of the instruction
  uint8_t bytes;
  CodeOp op;
  uint8_t reg = 0;
  uint8_t base = 0;
  int32_t value = 0;
};

// What is decoded at once. The pass ends earlier, at the end of a region, when it has found so much.
inline constexpr size_t kMaxSweepBytes = 16 << 20;
inline constexpr size_t kMaxSweepEvents = 2 << 20;

// A jump through a table: `movsxd rX, [rB + rI * 4]; add rX, rB; jmp rX` with 32-bit distances from rB, which a
// `lea rB, [rip + …]` before has set; or `jmp [table + rI * 8]` with 64-bit addresses.
struct CodeTable {
  uint32_t jump;     // offset of the jump
  ElfAddress table;  // its first entry
  ElfAddress base;   // what the distances count from
  bool is_absolute;
};

// All positions are offsets from the beginning of the swept code, ascending unless said otherwise.
struct CodeSweep {
  uint32_t size = 0;  // bytes that were swept
  uint64_t instructions = 0;
  std::vector<CodeEvent> events;
  std::vector<bool> starts;        // [i]: an instruction begins at offset i
  std::vector<uint32_t> breaks;    // first instructions behind one that doesn't go on, and behind the padding there
  std::vector<uint32_t> regions;   // likely beginnings of functions
  std::vector<uint32_t> calls;     // targets of calls. Not sorted, may repeat
  std::vector<uint32_t> jumps;     // targets of jumps, the same
  std::vector<CodeTable> tables;   // as they seem to be
  std::vector<uint32_t> pointers;  // targets of `lea reg, [rip + …]`, the same
};

// Decodes `code`, at most the limits above. `begin` is its address, `known` are offsets at which instructions begin
// for sure (symbols), ascending. Thread-safe.
CodeSweep SweepCode(std::span<const std::byte> code, ElfAddress begin, std::span<const uint32_t> known);

}  // namespace kiln::symbolizer
