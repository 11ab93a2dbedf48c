// SPDX-License-Identifier: Apache-2.0
// Go's table of functions (runtime.pclntab): which function lies where, what the linker knows about it, and how deep
// its stack is at each instruction. Every Go program carries it, stripped or not, since the runtime itself unwinds by
// it.
//
// Three layouts, by their magic number: Go 1.16, 1.18 (functions by offset from the text's start) and 1.20 (one more
// member per function; Go 1.26 leaves the text's start out). Older ones are not read. x86-64 and arm64.
//
// Where the text starts, if the table doesn't say so (Go 1.26, and before in position-independent programs, where a
// relocation fills it in): runtime.goexit is an instruction without effect and a call of runtime.goexit1. The table has
// the distance of the two, so the one place with such a call is runtime.goexit.
//
// Layout: runtime/symtab.go (pcHeader, moduledata, step) and runtime/runtime2.go (_func) of the Go sources.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/unwind/row_source.h"

namespace kiln::symbolizer {

// The largest Go programs have some 400 000 functions.
inline constexpr size_t kMaxGoFunctions = 4 << 20;
// Names of packages and receivers included. What is longer is cut.
inline constexpr size_t kMaxGoNameBytes = 256;
// Changes of the stack's depth in one function. Compiled functions have less than ten.
inline constexpr size_t kMaxGoDepthChanges = 64 * 1024;

struct GoFunction {
  CodeExtent extent;
  std::string name;
  // The linker's flags (internal/abi FuncFlag). Go 1.16 has none: all false.
  bool top_frame = false;  // the outermost function of a stack
  bool writes_sp = false;  // moves to another stack; the depths don't tell where
  bool assembly = false;
  uint32_t depths = 0;  // offset in the table of depths; 0 if the function has none
};

// Does not own the file, which has to live longer. Thread-compatible: reads go through windows.
class GoPclntab {
 public:
  // kNotFound if the file is not a Go program, kUnimplemented for a layout or machine that is not read, kDataLoss if
  // damaged. Reads the functions' addresses, 8 bytes each.
  static StatusOr<GoPclntab> Find(const ElfFile& elf);
  GoPclntab(GoPclntab&&) noexcept;
  GoPclntab& operator=(GoPclntab&&) noexcept;
  ~GoPclntab();

  // Functions, in ascending order; each reaches to the beginning of the next one.
  size_t size() const { return entries_.size() - 1; }
  CodeExtent Extent(size_t index) const;
  // The function that holds `address`, else the first one behind it; size() if there is none.
  size_t IndexOf(ElfAddress address) const;
  // kDataLoss if damaged.
  StatusOr<GoFunction> Read(size_t index) const;

  // Calls `visit` with the address up to which (exclusive) the stack has a depth of `bytes`, ascending, up to the end
  // of the function. The depth counts from the SP at the function's entry. kDataLoss if damaged; then what was visited
  // before holds.
  using DepthVisitor = std::function<void(ElfAddress end, int32_t bytes)>;
  Status VisitDepths(const GoFunction& function, const DepthVisitor& visit) const;

 private:
  class Window;
  struct Entry {
    uint32_t code;    // offset from text_
    uint32_t record;  // of its _func, from functions_at_
  };
  explicit GoPclntab(const ElfFile& elf);
  Status Open(ElfAddress header);
  Status ReadEntries();
  StatusOr<ElfAddress> FindText() const;
  std::vector<uint32_t> RecordsNamed(std::string_view name) const;
  std::optional<ElfAddress> FindGoexit(uint32_t goexit, const std::vector<uint32_t>& callees) const;

  const ElfFile* elf_;
  std::unique_ptr<Window> functions_;
  std::unique_ptr<Window> names_;
  std::unique_ptr<Window> depths_;
  uint32_t magic_ = 0;
  uint32_t code_unit_ = 1;  // bytes that addresses are multiples of
  uint64_t bytes_ = 0;      // from header_ to the end of its segment
  ElfAddress header_;
  ElfAddress text_;
  // From header_.
  uint64_t names_at_ = 0;
  uint64_t depths_at_ = 0;
  uint64_t functions_at_ = 0;
  std::vector<Entry> entries_;  // the last one is the end of the code
};

}  // namespace kiln::symbolizer
