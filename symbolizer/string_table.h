// SPDX-License-Identifier: Apache-2.0
// Copies the needed names of an ELF string table, and only those, into a pool. A string table may have hundreds of
// megabytes (of names of variables, or of nothing: a sparse file), so it is read through a window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/name_pool.h"

namespace kiln::symbolizer {

inline constexpr uint64_t kMaxStringTableBytes = uint64_t{512} << 20;
// Longer names are treated as damaged. Heavy C++ templates reach some 20 KiB.
inline constexpr size_t kMaxSymbolNameBytes = 64 * 1024;

// Replaces each offset in the string table by the offset of the same name in `pool`; 0 where the name is empty, cut,
// too long or outside of the table. Fails if the table cannot be read at all.
Status CopyNames(const ElfFile& elf, const ElfFile::Section& table, std::vector<uint32_t*> offsets, NamePool& pool);

}  // namespace kiln::symbolizer
