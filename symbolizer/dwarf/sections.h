// SPDX-License-Identifier: Apache-2.0
// The sections of one file's debug information, as bytes in memory.
//
// By default they are read: then no change of the file can hurt. A process that may be killed by SIGBUS without harm
// (the indexer, see agent/symbols) maps the file instead; what was passed over can then be dropped from memory, and a
// file of gigabytes costs no more than the window that is being looked at. The same goes for what is read or unpacked
// into a scratch file of our own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "symbolizer/dwarf/cursor.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/scratch_file.h"

namespace kiln::symbolizer::dwarf {

// Of all sections of a file together, unpacked, where they are read and not mapped.
inline constexpr uint64_t kDefaultMaxDebugBytes = uint64_t{4} << 30;

struct Sections {
  Bytes info, types, abbrev, line, str, line_str, str_offsets, addr, ranges, rnglists;
  // Of .dwp files.
  Bytes cu_index;
};

struct LoadOptions {
  bool map = false;
  uint64_t limit_bytes = kDefaultMaxDebugBytes;  // of what memory holds
  // Where to what is not mapped is read or unpacked: an unlinked file in this folder, at most kDefaultMaxDebugBytes of
  // it; "" = memory.
  std::string scratch_folder = {};
};

// Owns the bytes. Move-only; const methods are thread-safe.
class SectionLoader {
 public:
  // Takes .debug_*, .debug_*.dwo and .zdebug_* of `elf`: of several of one kind the first. Relocations are applied if
  // the file is a relocatable one. Fails if a section is damaged or there is more than the limit; a file without debug
  // information gives empty sections. The file may be closed afterwards.
  static StatusOr<SectionLoader> Load(const ElfFile& elf, const LoadOptions& options);
  SectionLoader(SectionLoader&&) noexcept;
  SectionLoader& operator=(SectionLoader&&) noexcept;
  ~SectionLoader();

  const Sections& sections() const { return sections_; }
  // Bytes of all, unpacked.
  uint64_t bytes() const { return bytes_; }
  // Lets go of the memory of mapped bytes; they come back when they are looked at again.
  void Drop() const;

 private:
  struct Mapping {
    void* at;
    size_t bytes;
  };
  SectionLoader() = default;
  StatusOr<Bytes> LoadSection(const ElfFile& elf, const ElfFile::Section& section, const LoadOptions& options);
  StatusOr<Bytes> Map(const ElfFile& elf, const ElfFile::Section& section);
  StatusOr<Bytes> ReadToScratch(const ElfFile& elf, const ElfFile::Section& section, const std::string& folder);

  Sections sections_;
  uint64_t bytes_ = 0;
  uint64_t held_bytes_ = 0;     // in memory
  uint64_t scratch_bytes_ = 0;  // in scratch files
  std::vector<Mapping> mappings_;
  std::vector<ScratchFile> scratch_;
  std::vector<std::unique_ptr<std::vector<std::byte>>> read_;
};

}  // namespace kiln::symbolizer::dwarf
