// SPDX-License-Identifier: Apache-2.0
// Which FDE is about which address: begins and places of the FDEs of one section, sorted. Taken from the binary search
// table of .eh_frame_hdr where there is one, so that opening a file parses no FDE; else from a scan of the section.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "symbolizer/unwind/cfi_section.h"
#include "symbolizer/unwind/unwind_issues.h"

namespace kiln::symbolizer {

// 16 bytes each while a file is open. The largest programs have about a million.
inline constexpr size_t kMaxFdes = 4 << 20;

// Where .eh_frame is, and the search table behind it if that is one that can be used.
struct EhFrameHeader {
  uint64_t eh_frame = 0;  // ELF address
  uint8_t table_encoding = kPointerOmitted;
  uint64_t table_offset = 0;  // in the bytes
  uint64_t fde_count = 0;     // as the file says
};
// `bytes` are those of .eh_frame_hdr, which lies at `address`; there may be more of them. nullopt if it is none.
// Format: Linux Standard Base Core 5.0, section 10.6.2.
std::optional<EhFrameHeader> ReadEhFrameHeader(std::span<const std::byte> bytes, ElfAddress address);

// Thread-compatible.
class FdeIndex {
 public:
  struct Entry {
    uint64_t begin;   // ELF address
    uint64_t offset;  // of the FDE in its section
  };

  // By the search table. False if it can't be used: then the index stays as it was.
  bool LoadTable(std::span<const std::byte> header_bytes, ElfAddress header_address, const EhFrameHeader& header,
                 const CfiSection& section, UnwindCounts& counts);
  // By reading all entries of the section. FDEs that can't be read or have no code are left out, and of several that
  // begin at one address all but the longest.
  void Scan(const CfiSection& section, UnwindCounts& counts);

  // True after LoadTable: nothing has been looked into.
  bool from_table() const { return from_table_; }
  // Ascending.
  const std::vector<Entry>& entries() const { return entries_; }
  // The last entry that begins at or before `address`, else entries().size().
  size_t FindAtOrBefore(uint64_t address) const;

 private:
  std::vector<Entry> entries_;
  bool from_table_ = false;
};

}  // namespace kiln::symbolizer
