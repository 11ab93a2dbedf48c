// SPDX-License-Identifier: Apache-2.0
// Where functions of a file begin, as far as the file tells without unwind information.
#pragma once

#include <cstddef>
#include <vector>

#include "base/address.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// Of each table. 16 MiB of addresses.
inline constexpr size_t kMaxFunctionStarts = 2 << 20;

struct FunctionStarts {
  // For sure: function symbols (.symtab, .dynsym).
  std::vector<ElfAddress> known;
  // Perhaps: code addresses that the dynamic linker writes into data (R_X86_64_RELATIVE: tables of functions, but
  // also of jump targets), and where a program begins.
  std::vector<ElfAddress> likely;
};

// Both ascending, without repetition, in executable segments. What can't be read is left out.
FunctionStarts FindFunctionStarts(const ElfFile& elf);

}  // namespace kiln::symbolizer
