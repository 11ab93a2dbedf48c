// SPDX-License-Identifier: Apache-2.0
// Which source line each instruction is of: DWARF 5, section 6.2, and the versions 2 to 4 before it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "symbolizer/dwarf/cursor.h"
#include "symbolizer/dwarf/sections.h"
#include "symbolizer/dwarf/unit.h"

namespace kiln::symbolizer::dwarf {

// From `address` up to the next row's. Numbers beyond 32 bits, and columns beyond 16, count as 0: not known.
struct LineRow {
  uint64_t address;
  uint32_t file;  // as the program counts them; see LineTable::File
  uint32_t line;  // 1-based; 0 = of no line
  uint16_t column;
  bool ends_sequence;  // nothing is known from here on
};

// Of one program; beyond, it counts as damaged. Units of link time optimisation have a million.
inline constexpr size_t kMaxLineRows = 8 << 20;

class LineTable {
 public:
  // The program at `offset` of .debug_line. `comp_dir` is the unit's; the unit gives strings and sizes too. Damage ends
  // the program: rows and files up to there are kept.
  static LineTable Read(const UnitView& unit, uint64_t offset, std::string_view comp_dir, std::string_view unit_name);

  // Sequences follow each other as in the program, rows ascend within one. Those with a place that falls back are
  // sorted.
  const std::vector<LineRow>& rows() const { return rows_; }
  // Path of a file by its number in rows, DW_AT_call_file, DW_AT_decl_file: with its folder, which is relative if
  // the compiler knew nothing better. "" if there is none.
  std::string File(uint64_t number) const;
  // Whether the program ended early.
  bool damaged() const { return damaged_; }

 private:
  struct FileEntry {
    std::string_view name;
    uint64_t directory;
  };
  bool ReadHeader(const UnitView& unit, Cursor& cursor);
  void ReadOldFiles(Cursor& cursor);
  void ReadEntries(const UnitView& unit, Cursor& cursor, bool directories);
  void Run(Cursor& cursor);
  void EndSequence(size_t first);

  std::vector<LineRow> rows_;
  std::vector<std::string_view> directories_;
  std::vector<FileEntry> files_;
  std::string_view comp_dir_;
  std::string_view unit_name_;
  // Of the header.
  Encoding encoding_;
  std::vector<uint8_t> operands_;  // of standard opcodes
  uint64_t end_ = 0;
  uint8_t min_instruction_ = 1;
  int8_t line_base_ = 0;
  uint8_t line_range_ = 1;
  uint8_t opcode_base_ = 1;
  bool damaged_ = false;
};

}  // namespace kiln::symbolizer::dwarf
