// SPDX-License-Identifier: Apache-2.0
// The functions of one object file by address: .symtab and .dynsym of the file and of what completes it (its debug
// file, MiniDebugInfo), and the stubs of the PLT, merged, in two sorted arrays and one pool of names.
//
// Which symbols: functions (STT_FUNC, STT_GNU_IFUNC), and untyped symbols in executable sections, which hand-written
// assembly leaves. Not: undefined, absolute and thread-local ones, mapping symbols ($x, $d), names of local labels
// (.L1, .annobin_…, and NASM's function.label), untyped labels without size inside of a sized function, or, LOCAL ones,
// of another sized symbol.
//
// How far one reaches: its size, but not beyond its section. Without a size: to the next symbol, at most to the end of
// its section.
//
// Which one, where several cover an address: the one that starts nearest below. Of several that start at one address
//   1. with a size before without; where there is one with, those without do not count at all
//   2. a function before an untyped symbol
//   3. GLOBAL before WEAK before LOCAL
//   4. fewer leading underscores
//   5. the name that comes first in byte order (of the first 256 bytes)
//   6. the last one in the file, and that of the last file
// so that two builds of one index, and .symtab and .dynsym, agree on the name. A stub of the PLT counts as a LOCAL
// function with a size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/address.h"
#include "base/status.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/named_intervals.h"
#include "symbolizer/plt_symbols.h"
#include "symbolizer/symbol.h"

namespace kiln::symbolizer {

inline constexpr uint64_t kMaxSymbolTableBytes = uint64_t{512} << 20;
// Functions that are kept, of all files together, 24 bytes each while the table is built (96 MiB). The largest browsers
// have 1.5 million.
inline constexpr size_t kMaxFunctions = 4 << 20;

// All that names the code of one object file.
struct SymbolSources {
  // With the same addresses, none of them nullptr: the object file itself first, then what completes it. Executable
  // addresses are those of the first one that has executable sections (without content, in a debug file, is enough).
  std::span<const ElfFile* const> files;
  std::span<const PltStub> stubs = {};
};

// Immutable; thread-safe. Does not refer to the file after Read.
class SymbolTable {
 public:
  // Files without any function give an empty table. An error only if nothing
  // could be read, of any source, and something should have been: kDataLoss if damaged, kUnimplemented if compressed,
  // kResourceExhausted if too large.
  static StatusOr<SymbolTable> Read(const SymbolSources& sources);
  static StatusOr<SymbolTable> Read(const ElfFile& elf);  // of this file alone, without stubs
  // The same for some addresses only, sorted and distinct: a table that says of these, and of no others, what the whole
  // one would; but symbols whose names are damaged, which have no place in the whole one, count here until their names
  // are read, so that others near them may be missing. Takes the memory that they need, not that of the file; reads the
  // symbols twice, without sorting them.
  static StatusOr<SymbolTable> ReadFor(const SymbolSources& sources, std::span<const uint64_t> addresses);
  static StatusOr<SymbolTable> ReadFor(const ElfFile& elf, std::span<const uint64_t> addresses);

  // One line, without file and line number; or kNoSymbols if no file names a function, kNotCovered. Costs a binary
  // search and the demangling.
  Naming Lookup(ElfAddress address) const;
  // The same as in the symbol table, not demangled; "" if there is none. Valid as long as the table lives.
  std::string_view LookupRaw(ElfAddress address) const { return functions_.Find(address.value()); }

  // Why there is no name where there is none: kNoSymbols or kNotCovered.
  Miss OwnMiss() const { return has_symbols_ ? Miss::kNotCovered : Miss::kNoSymbols; }

  // Bytes of [begin, end) that have a name.
  uint64_t NamedBytes(ElfAddress begin, ElfAddress end) const {
    return functions_.NamedBetween(begin.value(), end.value());
  }

  // Functions; aliases, and functions of one name, count once.
  size_t size() const { return functions_.size(); }
  size_t memory_bytes() const { return functions_.memory_bytes(); }

 private:
  NamedIntervals functions_;
  bool has_symbols_ = false;  // the files, beside stubs, whether they are in this table or not
};

}  // namespace kiln::symbolizer
