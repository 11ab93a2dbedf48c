// SPDX-License-Identifier: Apache-2.0
// The register that a file's rows keep track of besides FP and SP (kiln_directory.tracked). Only a few functions need
// one: those that base the CFA on another callee-saved register while they call others, such as the dynamic linker's
// _dl_runtime_resolve, which keeps its stack in RBX. Much more code does so without a call, while it aligns its stack,
// or all along in hand-written leaf functions. There the interrupted thread's registers are known, and to track one
// would only make the rows of all functions that save it costlier. Caller-saved registers need no tracking (struct
// kiln_rule).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "symbolizer/elf_file.h"
#include "symbolizer/unwind/cfi_section.h"
#include "symbolizer/unwind/machine.h"

namespace kiln::symbolizer {

// Rows whose CFA is based on a callee-saved register other than FP and SP and whose code may call, by that register
// (DWARF number, < 64).
using CfaRegisterCounts = std::array<uint64_t, 64>;

// Adds those of a section. FDEs are run, and code is read, only if the FDE's bytes can contain such a state, so this
// costs about a nanosecond per byte.
void CountOtherCfa(const UnwindMachine& machine, const CfiSection& section, const ElfFile& code,
                   CfaRegisterCounts& counts);

// The DWARF number of the register to track; kNoDwarfRegister if there is none.
uint64_t ChooseTrackedRegister(const CfaRegisterCounts& counts);

// Whether `code` may contain a call. Instructions of x86-64 are not decoded: bytes that look like a call count, if a
// direct one leads to executable code. `address` is that of byte 0.
bool MayCall(const UnwindMachine& machine, const ElfFile& elf, ElfAddress address, std::span<const std::byte> code);

}  // namespace kiln::symbolizer
