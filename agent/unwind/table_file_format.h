// SPDX-License-Identifier: Apache-2.0
// How a compiled unwind table lies in a file: header, directory, pages. Numbers are in the byte order of the machine;
// offsets are in words of 4 bytes from the start of the file. Written and read by table_file.cc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kiln::agent {

// Changes with every change of bpf/unwind_table.h and of the code that compiles tables: it is a hash of their sources,
// made by the build. So a table that another version of kiln compiled is never used, and no one has to remember.
extern const uint64_t kTableFormat;

inline constexpr char kTableFileMagic[8] = {'k', 'i', 'l', 'n', 'u', 'n', 'w', '\n'};
inline constexpr uint32_t kTableFileByteOrder = 0x01020304;

struct TableFileHeader {
  char magic[8];
  uint64_t format;  // kTableFormat
  uint32_t byte_order;
  uint16_t machine;  // EM_*
  uint8_t tracked;   // as kiln_directory
  uint8_t build_id_bytes;
  uint8_t build_id[64];
  // The fingerprint, see table_key.h.
  uint64_t device;
  uint64_t inode;
  uint64_t size;
  uint64_t mtime_ns;
  uint64_t ends_hash;
  uint64_t base;  // ELF address of byte 0 of page 0
  // Of all pages in the file.
  uint64_t rows;
  uint64_t derived;
  uint64_t inexpressible;
  uint32_t page_count;
  uint32_t reserved;        // 0
  uint64_t directory_hash;  // XXH3 of the directory
  uint64_t header_hash;     // XXH3 of all that stands before
};
static_assert(sizeof(TableFileHeader) == 184);
static_assert(offsetof(TableFileHeader, header_hash) == 176);

// The directory has page_count of these.
struct TableFileEntry {
  uint32_t offset;  // words from the start of the file; if there is no page: 0 not compiled, 1 could not be compiled
  uint32_t words;   // 0: no page
  uint64_t hash;    // XXH3 of the page; 0 if there is none
};
static_assert(sizeof(TableFileEntry) == 16);

}  // namespace kiln::agent
