// SPDX-License-Identifier: Apache-2.0
// The machine code of PLT stubs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace kiln::symbolizer {

// Stubs begin at multiples of this, counted from the begin of their section.
inline constexpr uint64_t kPltStubAlignmentX86 = 8;
inline constexpr uint64_t kPltStubAlignmentArm64 = 4;
// No stub is longer.
inline constexpr uint64_t kMaxPltStubBytes = 32;

struct PltStubCode {
  uint64_t slot;  // the address of the GOT entry that it jumps through
  uint64_t size;  // of the stub in bytes; padding to its alignment counts
};

// The stub that begins with `code`, which is loaded at `address`; nullopt if that is none, or cut, or not for
// `machine`.
//   x86-64  [endbr64] [bnd] jmp *slot(%rip) [push, jmp: the lazy half]     or  mov slot(%rip),%r11; jmp *%r11 and the
//           retpoline that takes its place
//   arm64   [bti c] adrp x16; ldr x17,[x16,…]; add x16; [autia1716] br x17
// Code that is no stub may look like one (a tail call under -fno-plt): what the slot holds has to be checked.
std::optional<PltStubCode> DecodePltStub(uint16_t machine, uint64_t address, std::span<const std::byte> code);

}  // namespace kiln::symbolizer
