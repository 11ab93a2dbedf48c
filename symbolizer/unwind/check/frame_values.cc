// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/check/frame_values.h"

namespace kiln::symbolizer::check {
namespace {

// SplitMix64's finalizer.
uint64_t Mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// Registers that CFI can name, and a bit more.
constexpr uint64_t kDwarfRegisters = 64;

uint64_t KilnRegister(uint8_t number, const MadeUpThread& thread) {
  for (uint64_t dwarf = 0; dwarf < kDwarfRegisters; ++dwarf) {
    if (thread.machine->FromDwarf(dwarf) == number) return thread.Register(dwarf);
  }
  return 0;
}

std::optional<uint64_t> Value(uint8_t kind, uint8_t reg, int32_t offset, uint64_t own, uint64_t cfa,
                              const MadeUpThread& thread) {
  const auto distance = static_cast<uint64_t>(int64_t{offset});
  switch (kind) {
    case KILN_VALUE_SAME: return own;
    case KILN_VALUE_AT_CFA: return thread.Memory(cfa + distance);
    case KILN_VALUE_CFA: return cfa + distance;
    case KILN_VALUE_REGISTER: return KilnRegister(reg, thread);
    case KILN_VALUE_DEREF: return thread.Memory(KilnRegister(reg, thread) + distance);
    case KILN_VALUE_OF_REGISTER: return KilnRegister(reg, thread) + distance;
    default: return std::nullopt;
  }
}

}  // namespace

uint64_t MadeUpThread::Register(uint64_t dwarf_register) const {
  if (machine->is_x86() && dwarf_register == machine->dwarf_ra) return program_counter.value();
  return Mix(seed + 0x9e3779b97f4a7c15 * (dwarf_register + 1));
}

uint64_t MadeUpThread::Memory(uint64_t address) const { return Mix(address ^ Mix(~seed)); }

FrameValues ApplyRule(const kiln_rule& rule, uint8_t tracked, const MadeUpThread& thread) {
  FrameValues values;
  const UnwindMachine& machine = *thread.machine;
  uint64_t cfa = KilnRegister(rule.cfa_register, thread) + static_cast<uint64_t>(int64_t{rule.cfa_offset});
  const auto second = static_cast<uint64_t>(int64_t{rule.cfa_second});
  if (rule.cfa_kind == KILN_CFA_SIGNAL) {
    // The kernel's struct ucontext of x86-64: rbp, rbx, rsp and rip are here.
    values.fp = thread.Memory(cfa + 120);
    values.tracked = tracked == KILN_X86_BX ? std::optional(thread.Memory(cfa + 128)) : std::nullopt;
    values.ra = thread.Memory(cfa + 168);
    values.sp = thread.Memory(cfa + 160);
    return values;
  }
  if (rule.cfa_kind == KILN_CFA_INDEXED) cfa += 8 * KilnRegister(rule.cfa_index, thread);
  if (rule.cfa_kind == KILN_CFA_DEREF || rule.cfa_kind == KILN_CFA_INDEXED) cfa = thread.Memory(cfa) + second;
  if (rule.cfa_kind == KILN_CFA_PLT) cfa += (thread.program_counter.value() & 15) >= second ? 8 : 0;
  values.sp = cfa;
  values.fp = Value(rule.fp_kind, rule.fp_register, rule.fp_offset, thread.Register(machine.dwarf_fp), cfa, thread);
  values.ra = Value(rule.ra_kind, rule.ra_register, rule.ra_offset, thread.Register(machine.dwarf_ra), cfa, thread);
  if (tracked != KILN_NO_REGISTER) {
    values.tracked = Value(rule.other_kind, 0, rule.other_offset, KilnRegister(tracked, thread), cfa, thread);
  }
  return values;
}

}  // namespace kiln::symbolizer::check
