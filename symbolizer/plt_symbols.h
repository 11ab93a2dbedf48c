// SPDX-License-Identifier: Apache-2.0
// Names for the stubs of the procedure linkage table: "memcpy@plt", as objdump writes them. No symbol table has them, a
// linker makes the stubs itself. Each stub jumps to where a slot of the global offset table says; the relocation of
// that slot names the function. So the code of the stubs is decoded, x86-64 and arm64, rather than counted: it holds
// for .plt, .plt.sec, .plt.got, .iplt, with and without endbr64, bnd, bti and pac, in whatever order a linker put them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// Stubs of one file. Firefox's libxul has some 3 000.
inline constexpr size_t kMaxPltStubs = 256 * 1024;

struct PltStub {
  ElfAddress address;
  uint64_t size;
  std::string name;  // as in the symbol table, with "@plt" behind it
};

// Sorted by address. Empty if the file has none, none that is understood, or is damaged: they only complete the names.
// Without section headers PT_DYNAMIC says where the relocations are, and all executable segments are searched for
// stubs.
std::vector<PltStub> ReadPltStubs(const ElfFile& elf);

}  // namespace kiln::symbolizer
