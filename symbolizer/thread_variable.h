// SPDX-License-Identifier: Apache-2.0
// Where a program or library keeps a thread-local variable that it exports, as far as the file tells.
//
// Sources: ELF Handling For Thread-Local Storage (Drepper), section 3.4 and 4; System V ABI, AMD64 supplement, and ELF
// for the Arm 64-bit Architecture, for the relocations; OTEP 4947, "Thread-Local Variable Resolution".
#pragma once

#include <cstdint>
#include <string_view>

#include "base/address.h"
#include "base/status.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

struct ThreadVariable {
  // What leads to the variable of a thread. All but the first one are slots that the dynamic linker fills in the
  // process, when it loads the file.
  enum class Access : uint8_t {
    kStatic,      // `thread_offset` is known at link time: the variable of a program
    kOffsetSlot,  // the word at `slot` is the offset from the thread pointer: initial exec
    kModuleSlot,  // the word at `slot` is the number of the file among those with TLS: general dynamic
    kDescriptor,  // the second of the two words at `slot` is an offset from the thread pointer, or an address of
                  // {number of the file, offset in its block}: TLSDESC
  };
  Access access = Access::kStatic;
  int64_t thread_offset = 0;  // kStatic: from the thread pointer
  ElfAddress slot;
  uint64_t block_offset = 0;  // of the variable in the TLS block of its file
  uint64_t bytes = 0;         // of the variable
};

// The variable `name`, which the file exports. `is_program`: the file is the program that a process was started with,
// which has its block at a fixed distance from the thread pointer. For x86-64 and AArch64.
//
// kNotFound: no such variable; kFailedPrecondition: nothing in the file leads to it, since none of its own code uses
// it; kUnimplemented: another machine; kDataLoss: the tables are damaged.
StatusOr<ThreadVariable> FindThreadVariable(const ElfFile& elf, std::string_view name, bool is_program);

}  // namespace kiln::symbolizer
