// SPDX-License-Identifier: Apache-2.0
// What unwinding has to know of a machine. All machines are known on every host: tables are made for the file's
// machine, not for the one that kiln runs on.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "bpf/registers.h"
#include "bpf/unwind_table.h"

namespace kiln::symbolizer {

struct UnwindMachine {
  uint16_t elf_machine;  // EM_*
  uint8_t fp;            // numbers of bpf/registers.h
  uint8_t sp;
  // DWARF numbers.
  uint8_t dwarf_fp;
  uint8_t dwarf_sp;
  uint8_t dwarf_ra;
  // Where the kernel saves an interrupted thread's registers (struct ucontext), from SP in the signal trampoline on.
  int32_t signal_state_offset;

  bool is_x86() const { return elf_machine == EM_X86_64; }
  // Whether a function has to leave this register as it found it, FP and SP aside.
  bool IsOtherCalleeSaved(uint64_t dwarf_register) const;
  // The number in bpf/registers.h of a DWARF register; nullopt for those that rules can't name (vector registers, the
  // program counter).
  std::optional<uint8_t> FromDwarf(uint64_t dwarf_register) const;
};

// nullptr for a machine that kiln doesn't unwind. Lives forever.
const UnwindMachine* FindUnwindMachine(uint16_t elf_machine);

}  // namespace kiln::symbolizer
