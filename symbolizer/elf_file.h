// SPDX-License-Identifier: Apache-2.0
// The frame of one ELF file: segments, sections, build id. What is in the sections is read by others (symbol_table.h)
// through ReadSection, which checks every bound and names its limit.
//
// Read are programs and shared libraries (ET_EXEC, ET_DYN, debug files of them) of 64 bits, little endian, of any
// machine; by OpenRelocatable object files before linking (ET_REL), too. The files are hostile: kiln reads, as root,
// whatever a process has mapped. Offsets and sizes are checked against the file, counts against the limits below;
// nothing is allocated by a number from the file alone.
//
// Format: System V ABI, chapters 4 and 5.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/file.h"
#include "base/status.h"
#include "symbolizer/byte_source.h"

namespace kiln::symbolizer {

// Linkers make about a dozen segments and fifty sections.
inline constexpr uint64_t kMaxSegments = 4096;
inline constexpr uint64_t kMaxSections = 128 * 1024;
inline constexpr uint64_t kMaxSectionNameBytes = 8 << 20;
inline constexpr size_t kMaxSectionNameLength = 1024;
// Of all note segments and sections that are searched. Probe notes (.note.stapsdt) of large programs reach some 100
// KiB.
inline constexpr uint64_t kMaxNoteBytes = 4 << 20;

// Move-only; keeps its source open. Const methods are thread-safe.
class ElfFile {
 public:
  struct Segment {  // PT_LOAD
    FileOffset offset;
    uint64_t file_size;
    ElfAddress address;
    uint64_t memory_size;
    bool executable;
  };
  struct Section {
    uint32_t name;   // offset in the table of section names, see SectionName
    uint32_t type;   // SHT_*
    uint64_t flags;  // SHF_*
    ElfAddress address;
    FileOffset offset;
    uint64_t size;  // bytes in the file, except for SHT_NOBITS
    uint32_t link;
    uint32_t info;
    uint64_t entry_size;
    uint64_t alignment;
  };
  struct TlsSegment {  // PT_TLS: what each thread has a copy of
    ElfAddress address;
    uint64_t memory_size;
    uint64_t alignment;
  };
  // A stretch of the file that is loaded at `address`.
  struct Area {
    ElfAddress address;
    FileOffset offset;
    uint64_t size;
  };

  // kInvalidArgument: not an ELF file; kUnimplemented: an ELF file of a kind that is not read; kDataLoss: damaged;
  // kResourceExhausted: a count beyond its limit. A file whose section headers alone are unusable opens without
  // sections: its segments still translate addresses. MissFromStatus turns the code into the reason for a frame.
  static StatusOr<ElfFile> Open(std::unique_ptr<const ByteSource> source);
  static StatusOr<ElfFile> Open(File file);
  // The same, and object files before linking (ET_REL: kernel modules, .o, .dwo) as well. Those have no addresses:
  // their SHF_ALLOC sections are laid out one after the other, by alignment, the executable ones first, each group in
  // the order of the file, so that .text of a simple object begins at 0. Section::address says where; there are no
  // segments. kDataLoss if that leaves 64 bits.
  static StatusOr<ElfFile> OpenRelocatable(std::unique_ptr<const ByteSource> source);
  static StatusOr<ElfFile> OpenRelocatable(File file);

  // The file that this was opened from; nullptr for an image in memory. Points into this object's source.
  const File* file() const { return source_->file(); }
  // Bytes of the file.
  uint64_t size() const { return source_->size(); }
  // EM_*
  uint16_t machine() const { return machine_; }
  // Where a program begins to run; 0 if the file names no place.
  ElfAddress entry() const { return entry_; }
  // True for ET_REL: symbols and relocations count from their section, not from 0.
  bool relocatable() const { return relocatable_; }
  // NT_GNU_BUILD_ID in lower-case hex; "" if the file has none.
  const std::string& build_id() const { return build_id_; }

  // In the order of the file. Segments whose numbers overflow are left out.
  const std::vector<Segment>& segments() const { return segments_; }
  // nullopt if `offset` is in the file part of no PT_LOAD. Where several segments have it, an executable one counts.
  std::optional<ElfAddress> ToElfAddress(FileOffset offset) const;
  // The address of the first byte of an executable mapping of `bytes` from `offset` on. Mappings are of whole pages, so
  // it may lie before the segment that was mapped, in the file part of another one: what has most of the mapping
  // counts, of executable segments if there is one in it. nullopt if nothing of it is in a PT_LOAD. It may wrap around.
  std::optional<ElfAddress> StartOfMapping(FileOffset offset, uint64_t bytes) const;
  // nullptr if there is none. Points into this object.
  const Segment* ExecutableSegmentContaining(ElfAddress address) const;
  // Where PT_GNU_EH_FRAME says that .eh_frame_hdr lies. Found without section headers.
  std::optional<ElfAddress> eh_frame_header() const { return eh_frame_header_; }
  // PT_DYNAMIC, not checked against the file. Found without section headers.
  const std::optional<Area>& dynamic() const { return dynamic_; }
  // As the file says, which may be impossible.
  const std::optional<TlsSegment>& tls() const { return tls_; }
  // Where the file has the byte that is loaded at `address`; nullopt if it is in the file part of no PT_LOAD.
  std::optional<FileOffset> ToFileOffset(ElfAddress address) const;
  // Bytes of the file from `address` to the end of the segment that has it; 0 if it is in the file part of none.
  uint64_t BytesFrom(ElfAddress address) const;
  // Fills `out` with what a process finds at `address` before relocations: from the file part of one segment.
  // kOutOfRange if it is not there completely.
  Status ReadAddress(ElfAddress address, std::span<std::byte> out) const;

  // In the order of the file; [0] is the null section. Empty if the file has none, or if section_status() is an error.
  const std::vector<Section>& sections() const { return sections_; }
  // Why sections() is empty although the file announces some; OK otherwise.
  const Status& section_status() const { return section_status_; }
  // "" if damaged. Valid as long as this object is neither moved nor destroyed.
  std::string_view SectionName(const Section& section) const;
  // The first one of that name or type; nullptr if there is none. Points into this object. Where there is no
  // ".debug_NAME" but a ".zdebug_NAME", which old tools made of it by compressing, that one counts.
  const Section* FindSection(std::string_view name) const;
  const Section* FindSectionOfType(uint32_t type) const;

  // The bytes of a section, unpacked if it is compressed. kResourceExhausted if there are more than `limit_bytes`,
  // kNotFound if it has none in the file (SHT_NOBITS), kUnimplemented if compressed by another method than zlib's
  // or Zstandard, kDataLoss if damaged or if it reaches beyond the file.
  StatusOr<std::vector<std::byte>> ReadSection(const Section& section, uint64_t limit_bytes) const;
  // The same piece by piece, in order, without holding all of it.
  Status StreamSection(const Section& section, uint64_t limit_bytes,
                       absl::FunctionRef<Status(std::span<const std::byte>)> sink) const;
  // Whether what the file has of a section is compressed: SHF_COMPRESSED, or the older .zdebug_*.
  bool IsCompressed(const Section& section) const;
  // Fills `out` from `offset` within the section, for tables that are read piece by piece. Same errors; kUnimplemented
  // for every compressed section.
  Status ReadSectionAt(const Section& section, uint64_t offset, std::span<std::byte> out) const;

 private:
  explicit ElfFile(std::unique_ptr<const ByteSource> source) : source_(std::move(source)) {}
  Status CheckInFile(const Section& section) const;
  Status CheckLimit(const Section& section, uint64_t limit_bytes) const;
  static StatusOr<ElfFile> Open(std::unique_ptr<const ByteSource> source, bool take_relocatable);
  Status ReadHeaders(bool take_relocatable);
  Status ReadSegments(uint64_t offset, uint64_t count);
  Status ReadSections(uint64_t offset, uint64_t count, uint64_t name_index);
  Status LayOutSections();
  void ReadBuildId();

  std::unique_ptr<const ByteSource> source_;
  const Segment* SegmentWithBytes(ElfAddress address) const;

  uint16_t machine_ = 0;
  bool relocatable_ = false;
  ElfAddress entry_;
  std::optional<ElfAddress> eh_frame_header_;
  std::optional<Area> dynamic_;
  std::optional<TlsSegment> tls_;
  std::vector<Segment> segments_;
  std::vector<Section> sections_;
  Status section_status_;
  std::vector<std::byte> section_names_;
  struct NoteArea {
    FileOffset offset;
    uint64_t size;
    uint64_t alignment;
  };
  std::vector<NoteArea> note_segments_;
  std::string build_id_;
};

}  // namespace kiln::symbolizer
