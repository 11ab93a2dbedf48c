// SPDX-License-Identifier: Apache-2.0
// Unwind rows of Go code, from Go's own table: Go's compiler makes no call frame information that reaches the process.
//
// x86-64: CFA = SP + depth + 8. The assembler begins each function that has a frame with `push rbp; mov rbp, rsp; sub
// rsp, n` (before Go 1.21: `sub rsp, n; mov [rsp + n - 8], rbp; lea rbp, [rsp + n - 8]`), so RBP lies at CFA - 16. That
// is believed only if these instructions are there: hand-written functions make frames without them.
// arm64: CFA = SP + depth, LR at [SP] and FP at [SP - 8] where the depth is not 0.
//
// Where Go changes stacks:
//   - functions that end a goroutine's or a thread's stack (runtime.goexit, mstart, the program's entry): the root
//   - x86-64 functions that switch to the system stack and back (systemstack, asmcgocall, cgocallback, calls into the
//     vDSO) keep RBP on their frame: CFA = RBP + 16. So a stack goes on through them
//   - those that leave a stack behind (mcall, morestack) clear RBP when they do: the root of the new stack
//   - all others: KILN_SPECIAL_UNCLEAR
//   - runtime.sigreturn__sigaction, where signal handlers return to: the signal frame
//
// Source: cmd/internal/obj/x86/obj6.go and arm64/obj7.go (preprocess), runtime/asm_*.s and sys_linux_*.s of the Go
// sources.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "symbolizer/go/go_pclntab.h"
#include "symbolizer/unwind/machine.h"
#include "symbolizer/unwind/row_source.h"

namespace kiln::symbolizer {

struct GoRowCounts {
  uint64_t functions = 0;
  uint64_t roots = 0;
  uint64_t stack_switches = 0;  // by RBP, or a new stack's root
  uint64_t unclear = 0;         // write SP, and nothing tells where it was
  uint64_t damaged = 0;
};

class GoRows : public RowSource {
 public:
  // As GoPclntab::Find. The file has to live longer.
  static StatusOr<std::unique_ptr<GoRows>> Open(const ElfFile& elf);

  std::optional<CodeExtent> Next(ElfAddress from) override;
  void AddRows(const CodeExtent& extent, RowSink& sink) override;

  const GoPclntab& table() const { return table_; }
  // Of all extents whose rows were asked for.
  const GoRowCounts& counts() const { return counts_; }

 private:
  GoRows(const ElfFile& elf, GoPclntab table);
  bool IsSignalReturn(ElfAddress address) const;
  CodeExtent ExtentOf(size_t index) const;
  void AddX86(const GoFunction& function, std::string_view name, RowSink& sink);
  void AddArm64(const GoFunction& function, std::string_view name, RowSink& sink);

  const ElfFile& elf_;
  GoPclntab table_;
  GoRowCounts counts_;
};

}  // namespace kiln::symbolizer
