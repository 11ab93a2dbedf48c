// SPDX-License-Identifier: Apache-2.0
// The register that a file's rows keep track of besides FP and SP (kiln_directory.tracked). Only a few functions need
// one: hand-written ones that switch or align the stack and remember the old one in a callee-saved register, such as
// the dynamic linker's _dl_runtime_resolve, which keeps it in RBX while it calls others.
#pragma once

#include <array>
#include <cstdint>

#include "symbolizer/unwind/cfi_section.h"
#include "symbolizer/unwind/machine.h"

namespace kiln::symbolizer {

// States by the callee-saved register (DWARF number, < 64) that their CFA is based on.
using CfaRegisterCounts = std::array<uint64_t, 64>;

// Adds those of a section. FDEs are run only if their bytes can contain such a state, so this costs about a nanosecond
// per byte.
void CountCalleeSavedCfa(const UnwindMachine& machine, const CfiSection& section, CfaRegisterCounts& counts);

// The DWARF number of the register to track; kNoDwarfRegister if there is none.
uint64_t ChooseTrackedRegister(const CfaRegisterCounts& counts);

}  // namespace kiln::symbolizer
