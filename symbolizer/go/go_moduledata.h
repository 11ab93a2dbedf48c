// SPDX-License-Identifier: Apache-2.0
// The record by which a Go program finds its own tables (runtime.firstmoduledata). It says two things that the table of
// functions doesn't: where the text begins, and where the data of functions (inline trees) lies.
//
// It has no mark of its own. It is known by its pointers: the first one is that of the table's header, and the next
// ones point into the table where the header says that its parts begin. That holds for stripped programs as well. Where
// a linker left the pointers of a position-independent program to the loader, the relocations tell them.
//
// Its first 24 words have been the same since Go 1.16; those behind moved in 1.18, 1.20 and 1.27. So who needs one of
// them has to try them: words().
//
// Layout: runtime/symtab.go (moduledata) of the Go sources.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

class GoModuledata {
 public:
  // The record is longer, but what is sought is among the first ones (in Go 1.27 word 43).
  static constexpr size_t kWords = 64;
  // Of the words that didn't move.
  static constexpr size_t kFirstMoving = 24;

  // Where the table of functions lies, by its own account.
  struct Table {
    ElfAddress header;
    ElfAddress names;
    ElfAddress values;     // pctab
    ElfAddress functions;  // pclntable, and ftab
  };
  // nullopt if there is none. Looks in the data sections where it can lie, in all data if there are no sections, and
  // in the relocations if it was not there; up to 1 GiB.
  static std::optional<GoModuledata> Find(const ElfFile& elf, const Table& table);

  // runtime.text: what offsets of functions count from.
  ElfAddress text() const { return ElfAddress(words_[22]); }
  // Where the first function begins.
  ElfAddress first_code() const { return ElfAddress(words_[20]); }
  // The words as addresses of the file, as far as they are addresses.
  std::span<const uint64_t> words() const { return words_; }

 private:
  std::array<uint64_t, kWords> words_{};
};

}  // namespace kiln::symbolizer
