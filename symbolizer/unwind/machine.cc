// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/machine.h"

#include <array>

namespace kiln::symbolizer {
namespace {

// System V ABI, AMD64 supplement, figure 3.36.
constexpr std::array<uint8_t, 16> kX86Registers = {
    KILN_X86_AX, KILN_X86_DX, KILN_X86_CX,  KILN_X86_BX,  KILN_X86_SI,  KILN_X86_DI,  KILN_X86_BP,  KILN_X86_SP,
    KILN_X86_R8, KILN_X86_R9, KILN_X86_R10, KILN_X86_R11, KILN_X86_R12, KILN_X86_R13, KILN_X86_R14, KILN_X86_R15};

constexpr UnwindMachine kX86 = {
    .elf_machine = EM_X86_64,
    .fp = KILN_X86_BP,
    .sp = KILN_X86_SP,
    .dwarf_fp = 6,
    .dwarf_sp = 7,
    .dwarf_ra = 16,
    // The trampoline is entered by `ret`, which takes the first member of struct rt_sigframe; struct ucontext follows.
    .signal_state_offset = 0,
};

// DWARF for the Arm 64-bit Architecture, section 4.1; AAPCS64, section 6.1.1.
constexpr UnwindMachine kArm64 = {
    .elf_machine = EM_AARCH64,
    .fp = KILN_ARM64_FP,
    .sp = KILN_ARM64_SP,
    .dwarf_fp = 29,
    .dwarf_sp = 31,
    .dwarf_ra = 30,
    .signal_state_offset = 128,  // struct rt_sigframe: siginfo_t, struct ucontext
};

}  // namespace

std::optional<uint8_t> UnwindMachine::FromDwarf(uint64_t dwarf_register) const {
  if (is_x86()) {
    if (dwarf_register >= kX86Registers.size()) return std::nullopt;
    return kX86Registers[dwarf_register];
  }
  if (dwarf_register > KILN_ARM64_SP) return std::nullopt;
  return static_cast<uint8_t>(dwarf_register);
}

bool UnwindMachine::IsOtherCalleeSaved(uint64_t dwarf_register) const {
  const std::optional<uint8_t> number = FromDwarf(dwarf_register);
  if (!number || *number == fp || *number == sp || dwarf_register == dwarf_ra) return false;
  return is_x86() ? !KILN_X86_IS_CALLER_SAVED(*number) : !KILN_ARM64_IS_CALLER_SAVED(*number);
}

const UnwindMachine* FindUnwindMachine(uint16_t elf_machine) {
  switch (elf_machine) {
    case EM_X86_64: return &kX86;
    case EM_AARCH64: return &kArm64;
    default: return nullptr;
  }
}

}  // namespace kiln::symbolizer
