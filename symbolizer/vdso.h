// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/status.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// The vDSO, which has no file: a copy of the image in kiln's own address space. Processes of the same class (64 bits)
// on this kernel have the same one, at other addresses. Offsets within its mapping are file offsets. kNotFound if the
// kernel gave kiln none (vdso=0).
StatusOr<ElfFile> ReadVdso();

}  // namespace kiln::symbolizer
