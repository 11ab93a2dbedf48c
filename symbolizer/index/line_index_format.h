// SPDX-License-Identifier: Apache-2.0
// The line index: what DWARF says of the code of one file, turned round so that an address is looked up by one look at
// a table and a short bisect, however large the file is. One file on disk per object file, mapped by whoever asks.
//
//   header
//   areas        code that lies together: addresses in the index are 32-bit offsets from their area's start
//   buckets      per area: the interval that each 2^bucket_shift bytes of code begin in
//   starts       where each interval begins, ascending within an area; it ends where the next one begins
//   places       of each interval: its innermost function, and the line in it (parallel to starts)
//   columns      of each interval (parallel to starts)
//   nodes        functions, as they were inlined into each other: a node's parent has a smaller index
//   functions    names, and where they begin
//   files        paths
//   strings      text, each piece ended by a NUL
//
// All sections begin at multiples of 8 bytes, in this order, numbers are little endian. The file is written once and
// never changed. Other versions are not read but made anew.
//
// Why this way: GSYM and the tables of other profilers keep a compressed line program per function, which has to be run
// for each address; an interval costs 14 bytes here and is read as it is.
#pragma once

#include <cstdint>
#include <cstring>

namespace kiln::symbolizer {

inline constexpr char kLineIndexMagic[8] = {'k', 'i', 'l', 'n', 'l', 'i', 'n', 'e'};
inline constexpr uint32_t kLineIndexVersion = 1;
inline constexpr uint32_t kNoNode = UINT32_MAX;

struct LineIndexHeader {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint64_t file_bytes;
  uint64_t checksum;         // XXH3 of all that follows the header
  uint64_t header_checksum;  // XXH3 of the header with this member as 0
  uint32_t areas;
  uint32_t bucket_shift;
  uint64_t buckets;
  uint32_t intervals;
  uint32_t nodes;
  uint32_t functions;
  uint32_t files;
  uint64_t string_bytes;
  // Of the making, for people.
  uint64_t debug_bytes;  // of the debug information it was made of
  uint32_t units;
  uint32_t damaged_units;   // read in part
  uint32_t missing_units;   // split units whose file was not found
  uint32_t dropped_ranges;  // of functions that the linker threw away, or that are no code
};
static_assert(sizeof(LineIndexHeader) == 104);

struct LineIndexArea {
  uint64_t start;  // ELF address
  uint64_t end;
  uint32_t first_interval;
  uint32_t intervals;
  uint64_t first_bucket;
};
static_assert(sizeof(LineIndexArea) == 32);

struct LineIndexPlace {
  uint32_t node;  // kNoNode: no code that DWARF knows
  uint32_t line;  // 0 = not known
};
static_assert(sizeof(LineIndexPlace) == 8);

struct LineIndexNode {
  uint32_t function;   // index; kNoNode = a line whose function is not known
  uint32_t parent;     // what it was inlined into; kNoNode for a function of its own
  uint32_t file;       // that the node's places are in; index, 0 = not known
  uint32_t call_file;  // where the call stands in the parent
  uint32_t call_line;
  uint32_t call_column;
};
static_assert(sizeof(LineIndexNode) == 24);

// Lookups hand out texts without touching them.
struct LineIndexText {
  uint32_t offset;  // in strings
  uint32_t bytes;   // without the NUL
};
static_assert(sizeof(LineIndexText) == 8);

struct LineIndexFunction {
  LineIndexText name;
  uint32_t start_line;  // 0 = not known. The highest bit tells if the name is one of the symbol table
};
static_assert(sizeof(LineIndexFunction) == 12);
inline constexpr uint32_t kLinkageNameBit = uint32_t{1} << 31;

}  // namespace kiln::symbolizer
