// SPDX-License-Identifier: Apache-2.0
// Finds call frame information in an ELF file and makes it ready to be asked.
#pragma once

#include <cstdint>
#include <memory>

#include "symbolizer/elf_file.h"
#include "symbolizer/unwind/cfi_rows.h"
#include "symbolizer/unwind/machine.h"
#include "symbolizer/unwind/unwind_issues.h"

namespace kiln::symbolizer {

// Of one section. The largest programs have some 30 MiB of .eh_frame.
inline constexpr uint64_t kMaxCfiBytes = 128 << 20;

// .eh_frame of `elf`: by its section, else by PT_GNU_EH_FRAME. nullptr if there is none, or, counted, if it can't be
// read. The result refers to all arguments; `code` has the bytes of the code (`elf` may be its debug file).
std::unique_ptr<CfiRows> LoadEhFrame(const ElfFile& elf, const ElfFile& code, const UnwindMachine& machine,
                                     UnwindCounts& counts);
// The same for .debug_frame.
std::unique_ptr<CfiRows> LoadDebugFrame(const ElfFile& elf, const ElfFile& code, const UnwindMachine& machine,
                                        UnwindCounts& counts);

}  // namespace kiln::symbolizer
