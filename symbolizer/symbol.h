// SPDX-License-Identifier: Apache-2.0
// What naming an address gives: lines, or the reason why there is none. A miss is data, never an error and never a
// guess.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace kiln::symbolizer {

// One function at an address. An address in inlined code has several.
struct SourceLine {
  std::string name = {};  // for people: demangled, see demangle.h. Not empty. Bytes of the file: perhaps not UTF-8
  std::string system_name = {};  // as in the symbol table; empty = same as name
  std::string file = {};         // source file; empty = not known
  int64_t line = 0;              // 1-based; 0 = not known
  int64_t column = 0;            // 1-based; 0 = not known
  int64_t start_line = 0;        // 1-based, of the function; 0 = not known
  friend bool operator==(const SourceLine&, const SourceLine&) = default;
};

// A SourceLine whose texts lie elsewhere: whoever hands it out says for how long.
struct LineView {
  std::string_view name = {};
  std::string_view system_name = {};
  std::string_view file = {};
  int64_t line = 0;
  int64_t column = 0;
  int64_t start_line = 0;
};
inline LineView ViewOf(const SourceLine& line) {
  return {.name = line.name,
          .system_name = line.system_name,
          .file = line.file,
          .line = line.line,
          .column = line.column,
          .start_line = line.start_line};
}
inline SourceLine CopyOf(const LineView& line) {
  return {.name = std::string(line.name),
          .system_name = std::string(line.system_name),
          .file = std::string(line.file),
          .line = line.line,
          .column = line.column,
          .start_line = line.start_line};
}

// Why an address has no name.
enum class Miss : uint8_t {
  kNone,                 // it has one
  kNoFile,               // the mapped file is gone, or there is none behind the mapping
  kNotElf,               // the mapped file is no ELF file
  kWrongClass,           // an ELF file that is not read here: 32 bits, big endian, relocatable, core dump
  kUnreadable,           // opening or reading failed: permissions, I/O error
  kDamaged,              // an ELF file whose tables are cut or contradict themselves
  kTooLarge,             // a table is beyond the limit that protects kiln's memory
  kNoSymbols,            // stripped: the file names no function
  kNotCovered,           // the file, or the perf map, has symbols but none at this address
  kNoPerfMap,            // code made at run time, and the process wrote neither perf map nor jitdump
  kKernelSymbolsHidden,  // the kernel shows its addresses as 0 (kptr_restrict)
  kTooManyFiles,         // no file descriptor was left to keep the file open
  // Of code made at run time, whose perf map or jitdump is there, but
  kJitFileNoFile,      // is a pipe, a device, a folder
  kJitFileForeign,     // belongs to another user, or tells of another process
  kJitFileOld,         // was last written before the process began: it is an earlier one's
  kJitFileUnreadable,  // can't be opened or read: permissions, a symbolic link that leads nowhere, I/O error
  kJitFileTooLarge,    // is beyond the limits that protect kiln's memory and time
  kJitFileDamaged,     // is something else, of another machine, or contradicts itself
};
inline constexpr int kMissCount = static_cast<int>(Miss::kJitFileDamaged) + 1;

// Short text for people, e.g. "file is stripped". Never empty.
std::string_view MissName(Miss miss);

// The reason behind a failed File::Open, ElfFile::Open or SymbolTable::Read; kNone for OK.
Miss MissFromStatus(const Status& status);

struct Naming {
  std::vector<SourceLine> lines = {};  // innermost inlined function first; empty on a miss
  Miss miss = Miss::kNone;
};

// A naming of one line by a name from a symbol table, which is demangled.
Naming NamingOf(std::string_view system_name);
inline Naming MissOf(Miss miss) { return {.miss = miss}; }

}  // namespace kiln::symbolizer
