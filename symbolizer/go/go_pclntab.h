// SPDX-License-Identifier: Apache-2.0
// Go's table of functions (runtime.pclntab): which function lies where, what the linker knows about it, and what holds
// at each of its instructions: how deep the stack is, which file and line it is from, what was inlined there. Every Go
// program carries it, stripped or not, since the runtime itself unwinds by it.
//
// Three layouts, by their magic number: Go 1.16, 1.18 (functions by offset from the text's start) and 1.20 (one more
// member per function; Go 1.26 leaves the text's start out). Older ones are not read. x86-64 and arm64.
//
// Where the text starts, if the table doesn't say so (Go 1.26, and before in position-independent programs, where a
// relocation fills it in): go_moduledata.h has it. Where that is not found: runtime.goexit is an instruction without
// effect and a call of runtime.goexit1. The table has the distance of the two, so the one place with such a call is
// runtime.goexit.
//
// The table of a large program has 100 MB, so it is read where it is needed. In memory is where every 64th function
// begins.
//
// Layout: runtime/symtab.go (pcHeader, step, funcdata) and runtime/runtime2.go (_func) of the Go sources.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "symbolizer/code_extent.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/elf_window.h"
#include "symbolizer/go/go_moduledata.h"

namespace kiln::symbolizer {

// The largest Go programs have some 400 000 functions.
inline constexpr size_t kMaxGoFunctions = 4 << 20;
// Names of packages, receivers and type arguments included. What is longer is cut.
inline constexpr size_t kMaxGoNameBytes = 64 * 1024;
inline constexpr size_t kMaxGoPathBytes = 16 * 1024;
// Changes of one value in one function. A depth changes less than ten times in compiled functions, the line of
// generated functions some 100 000 times.
inline constexpr size_t kMaxGoChanges = 1 << 20;

// What the linker knows of a function. Offsets are those of the table; see GoPclntab for what they lead to.
struct GoFunction {
  CodeExtent extent;
  uint32_t name = 0;
  // The linker's flags (internal/abi FuncFlag). Go 1.16 has none: all false.
  bool top_frame = false;  // the outermost function of a stack
  bool writes_sp = false;  // moves to another stack; the depths don't tell where
  bool assembly = false;
  int32_t start_line = 0;  // of the declaration; 0 before Go 1.20
  uint32_t unit = 0;       // where its files begin in the table of units
  // Values by code; 0 if the function has none.
  uint32_t depths = 0;
  uint32_t files = 0;
  uint32_t lines = 0;
  uint32_t inlined = 0;  // index in its inline tree
  // Go 1.16: the tree's address. Later: its offset from moduledata.gofunc.
  std::optional<uint64_t> inline_tree = std::nullopt;
};

// Does not own the file, which has to live longer. Thread-compatible: reads go through windows.
class GoPclntab {
 public:
  enum class Layout : uint8_t { kGo116, kGo118, kGo120 };

  // kNotFound if the file is not a Go program, kUnimplemented for a layout or machine that is not read, kDataLoss if
  // damaged. Reads where the functions lie, 8 bytes each.
  static StatusOr<GoPclntab> Find(const ElfFile& elf);

  Layout layout() const { return layout_; }
  // Functions, in ascending order; each reaches to the beginning of the next one.
  size_t size() const { return size_; }
  // kDataLoss if it can't be read any more, or doesn't ascend.
  StatusOr<CodeExtent> Extent(size_t index) const;
  // The function that holds `address`, else the first one behind it; size() if there is none.
  size_t IndexOf(ElfAddress address) const;
  // kDataLoss if damaged.
  StatusOr<GoFunction> Read(size_t index) const;

  // The name at an offset, as the linker has it. nullopt if it is not in the file.
  std::optional<std::string> Name(uint32_t offset) const;
  // The path of a file by its number in a function's unit, as the compiler was given it; "" if there is none.
  std::string File(uint32_t unit, int32_t number) const;

  // Calls `visit` with the address up to which (exclusive) a value holds, ascending, from the function's beginning to
  // its end at most, until it returns false. `values` is one of the function's offsets. kDataLoss if damaged; then what
  // was visited before holds.
  using ValueVisitor = std::function<bool(ElfAddress end, int32_t value)>;
  Status VisitValues(const CodeExtent& extent, uint32_t values, const ValueVisitor& visit) const;

  // nullopt if it is not found. Searches the data.
  std::optional<GoModuledata> FindModule() const;

  size_t memory_bytes() const { return group_starts_.capacity() * sizeof(group_starts_[0]); }

 private:
  struct Entry {
    uint32_t code;    // offset from text_
    uint32_t record;  // of its _func, from functions_at_
  };
  explicit GoPclntab(const ElfFile& elf);
  Status Open(ElfAddress header);
  Status ReadGroups();
  uint64_t EntryBytes() const { return layout_ == Layout::kGo116 ? 16 : 8; }
  ElfAddress At(uint64_t part, uint64_t offset) const { return ElfAddress(header_.value() + part + offset); }
  // The last one, at size(), is the end of the code.
  std::optional<Entry> ReadEntry(size_t index) const;
  ElfAddress RecordBody(const Entry& entry) const;
  StatusOr<ElfAddress> FindText() const;
  std::vector<uint32_t> CodeNamed(std::string_view name) const;
  std::optional<ElfAddress> FindGoexit(uint32_t goexit, const std::vector<uint32_t>& callees) const;

  const ElfFile* elf_;
  // Each is read near where it was read before.
  mutable ElfWindow entries_;
  mutable ElfWindow records_;
  mutable ElfWindow names_;
  mutable ElfWindow files_;
  mutable ElfWindow values_;
  Layout layout_ = Layout::kGo120;
  uint32_t code_unit_ = 1;  // bytes that addresses are multiples of
  uint64_t bytes_ = 0;      // from header_ to the end of its segment
  ElfAddress header_;
  ElfAddress text_;
  // From header_.
  uint64_t names_at_ = 0;
  uint64_t units_at_ = 0;
  uint64_t files_at_ = 0;
  uint64_t values_at_ = 0;
  uint64_t functions_at_ = 0;
  size_t size_ = 0;
  std::vector<uint32_t> group_starts_;  // code of every 64th entry
};

}  // namespace kiln::symbolizer
