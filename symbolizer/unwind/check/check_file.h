// SPDX-License-Identifier: Apache-2.0
// Compares the unwind table of one ELF file, row by row, with what libdw says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "symbolizer/unwind/unwind_issues.h"

namespace kiln::symbolizer::check {

struct FileReport {
  bool checked = false;  // false: not an ELF file that kiln reads, or one without call frame information
  UnwindCounts counts;   // of the table
  uint64_t pages = 0;
  uint64_t table_bytes = 0;
  uint64_t table_rows = 0;
  uint64_t rules = 0;     // extended ones
  uint64_t build_ns = 0;  // CPU time from opening the file to the last page
  uint64_t tracked = 0;   // 1 if a register is tracked
  // Places that were compared: where the rule changes, in either.
  uint64_t compared = 0;
  uint64_t inexpressible = 0;  // of those
  uint64_t lost = 0;           // places where only a register besides the CFA and the return address can't be expressed
  uint64_t unjudged = 0;       // libdw can't say, or says what kiln knows better (signal trampolines of arm64)
  uint64_t mismatches = 0;
  std::vector<std::string> details;  // of the first mismatches

  FileReport& operator+=(const FileReport& other);
};

FileReport CheckFile(const std::string& path);

}  // namespace kiln::symbolizer::check
