// SPDX-License-Identifier: Apache-2.0
// What Go's compiler inlined into a function: a tree of calls, one record each, with the inlined function and an
// instruction of the caller that has the call's file and line (FUNCDATA_InlTree).
//
// Go 1.16 has the address of a function's tree, filled in by the loader in position-independent programs (then it is
// known if the linker left it in the file as well). Later: its offset from a base that moduledata has in a place that
// moves between versions. So the base is the word of moduledata by which the trees of functions here and there in the
// program are trees: their records name functions, and instructions of the function that they belong to.
//
// Layout: runtime/symtabinl.go (inlinedCall), before 1.20 runtime/symtab.go of the Go sources.
#pragma once

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/elf_window.h"
#include "symbolizer/go/go_pclntab.h"

namespace kiln::symbolizer {

// Does not own the file, which has to live longer. Thread-compatible.
class GoInlineTrees {
 public:
  struct Call {
    uint32_t name;         // of the inlined function, for GoPclntab::Name
    uint32_t caller_code;  // offset in the function of an instruction that belongs to the caller's line
    int32_t start_line;    // of the inlined function; 0 before Go 1.20
  };

  // A program without the base, or without any inlined call, has no trees.
  GoInlineTrees(const ElfFile& elf, const GoPclntab& table);

  // nullopt if there is no such record, or it can't be one.
  std::optional<Call> Read(const GoFunction& function, int32_t index) const;

 private:
  void FindBase(const GoPclntab& table);

  GoPclntab::Layout layout_;
  mutable ElfWindow window_;
  std::optional<ElfAddress> base_;
};

}  // namespace kiln::symbolizer
