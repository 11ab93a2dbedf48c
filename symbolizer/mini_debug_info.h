// SPDX-License-Identifier: Apache-2.0
// MiniDebugInfo: .gnu_debugdata, an ELF file with nothing but the symbols that .dynsym does not have, packed by xz.
// Fedora and its kin put it into every program.
#pragma once

#include <cstdint>
#include <optional>

#include "base/status.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// Together the most that unpacking takes beyond the packed bytes. Packers use xz -6, which is unpacked in 9 MiB; the
// largest of a distribution (browsers) have some 25 MiB of symbols.
inline constexpr uint64_t kMaxMiniDebugInfoBytes = 40 << 20;
inline constexpr uint64_t kMaxXzMemoryBytes = 24 << 20;

// In memory, with the addresses of `elf`: another file for SymbolTable. nullopt if `elf` has none. kDataLoss if damaged
// or of another machine, kResourceExhausted if it needs more than the limits, kUnimplemented if xz packed it in a way
// that is not known here.
StatusOr<std::optional<ElfFile>> ReadMiniDebugInfo(const ElfFile& elf);

}  // namespace kiln::symbolizer
