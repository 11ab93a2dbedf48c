// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/elf_file.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/byte_reader.h"
#include "symbolizer/build_id.h"
#include "symbolizer/section_unpack.h"

namespace kiln::symbolizer {
namespace {

constexpr size_t kStreamPieceBytes = 256 * 1024;

template <typename T>
std::span<std::byte> BytesOf(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

// True if [offset, offset + size) lies within a file of `file_size` bytes.
bool InFile(uint64_t offset, uint64_t size, uint64_t file_size) {
  return offset <= file_size && size <= file_size - offset;
}

// `available`: the bytes of the header that the file has.
Status CheckIdentity(const Elf64_Ehdr& header, uint64_t available, bool take_relocatable) {
  if (header.e_ident[EI_CLASS] != ELFCLASS64) {
    return Error(absl::StatusCode::kUnimplemented, "not a 64-bit ELF file (class {})", header.e_ident[EI_CLASS]);
  }
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return Error(absl::StatusCode::kUnimplemented, "not a little-endian ELF file (data encoding {})",
                 header.e_ident[EI_DATA]);
  }
  if (available < sizeof(header)) return Error(absl::StatusCode::kDataLoss, "the ELF header is cut");
  const bool taken =
      header.e_type == ET_EXEC || header.e_type == ET_DYN || (take_relocatable && header.e_type == ET_REL);
  if (!taken) {
    return Error(absl::StatusCode::kUnimplemented, "neither a program nor a shared library (ELF type {})",
                 header.e_type);
  }
  return absl::OkStatus();
}

// A table of `count` headers at `offset`, after checking that it is in the file.
template <typename T>
StatusOr<std::vector<T>> ReadTable(const ByteSource& source, uint64_t offset, uint64_t count, std::string_view what) {
  if (!InFile(offset, count * sizeof(T), source.size())) {
    return Error(absl::StatusCode::kDataLoss, "the {} reach beyond the end of the file", what);
  }
  std::vector<T> table(count);
  KILN_RETURN_IF_ERROR(source.ReadAt(FileOffset(offset), std::as_writable_bytes(std::span(table))));
  return table;
}

}  // namespace

StatusOr<ElfFile> ElfFile::Open(File file) { return Open(MakeFileSource(std::move(file))); }

StatusOr<ElfFile> ElfFile::Open(std::unique_ptr<const ByteSource> source) { return Open(std::move(source), false); }

StatusOr<ElfFile> ElfFile::OpenRelocatable(File file) { return OpenRelocatable(MakeFileSource(std::move(file))); }

StatusOr<ElfFile> ElfFile::OpenRelocatable(std::unique_ptr<const ByteSource> source) {
  return Open(std::move(source), true);
}

StatusOr<ElfFile> ElfFile::Open(std::unique_ptr<const ByteSource> source, bool take_relocatable) {
  ElfFile elf(std::move(source));
  KILN_RETURN_IF_ERROR(elf.ReadHeaders(take_relocatable));
  if (elf.relocatable_) KILN_RETURN_IF_ERROR(elf.LayOutSections());
  elf.ReadBuildId();
  return elf;
}

Status ElfFile::ReadHeaders(bool take_relocatable) {
  Elf64_Ehdr header{};
  const uint64_t available = std::min<uint64_t>(source_->size(), sizeof(header));
  KILN_RETURN_IF_ERROR(source_->ReadAt(FileOffset(0), BytesOf(header).first(available)));
  if (available < EI_NIDENT || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return Error(absl::StatusCode::kInvalidArgument, "not an ELF file");
  }
  KILN_RETURN_IF_ERROR(CheckIdentity(header, available, take_relocatable));
  machine_ = header.e_machine;
  relocatable_ = header.e_type == ET_REL;
  entry_ = ElfAddress(header.e_entry);

  // Numbers that do not fit the header's 16 bits stand in section header 0.
  Elf64_Shdr first{};
  uint64_t section_count = 0;
  if (header.e_shoff != 0) {
    if (header.e_shentsize != sizeof(Elf64_Shdr)) {
      section_status_ = Error(absl::StatusCode::kDataLoss, "section headers of {} bytes", header.e_shentsize);
    } else if (!InFile(header.e_shoff, sizeof(first), source_->size())) {
      section_status_ = Error(absl::StatusCode::kDataLoss, "the section headers reach beyond the end of the file");
    } else {
      KILN_RETURN_IF_ERROR(source_->ReadAt(FileOffset(header.e_shoff), BytesOf(first)));
      section_count = header.e_shnum != 0 ? header.e_shnum : first.sh_size;
    }
  }
  const uint64_t segment_count = header.e_phnum == PN_XNUM ? first.sh_info : header.e_phnum;
  if (segment_count != 0 && !relocatable_) {
    if (header.e_phentsize != sizeof(Elf64_Phdr)) {
      return Error(absl::StatusCode::kDataLoss, "program headers of {} bytes", header.e_phentsize);
    }
    KILN_RETURN_IF_ERROR(ReadSegments(header.e_phoff, segment_count));
  }
  if (section_count != 0 && section_status_.ok()) {
    const uint64_t names = header.e_shstrndx == SHN_XINDEX ? first.sh_link : header.e_shstrndx;
    section_status_ = ReadSections(header.e_shoff, section_count, names);
  }
  return absl::OkStatus();
}

Status ElfFile::ReadSegments(uint64_t offset, uint64_t count) {
  if (count > kMaxSegments) {
    return Error(absl::StatusCode::kResourceExhausted, "{} segments; the limit is {}", count, kMaxSegments);
  }
  KILN_ASSIGN_OR_RETURN(const std::vector<Elf64_Phdr> headers,
                        ReadTable<Elf64_Phdr>(*source_, offset, count, "program headers"));
  for (const Elf64_Phdr& header : headers) {
    const bool overflows = header.p_offset + header.p_filesz < header.p_offset ||
                           header.p_vaddr + header.p_memsz < header.p_vaddr ||
                           header.p_vaddr + header.p_filesz < header.p_vaddr;
    if (overflows) continue;
    if (header.p_type == PT_LOAD) {
      segments_.push_back({.offset = FileOffset(header.p_offset),
                           .file_size = header.p_filesz,
                           .address = ElfAddress(header.p_vaddr),
                           .memory_size = header.p_memsz,
                           .executable = (header.p_flags & PF_X) != 0});
    } else if (header.p_type == PT_GNU_EH_FRAME) {
      eh_frame_header_ = ElfAddress(header.p_vaddr);
    } else if (header.p_type == PT_DYNAMIC) {
      dynamic_ = {
          .address = ElfAddress(header.p_vaddr), .offset = FileOffset(header.p_offset), .size = header.p_filesz};
    } else if (header.p_type == PT_TLS) {
      tls_ = {.address = ElfAddress(header.p_vaddr), .memory_size = header.p_memsz, .alignment = header.p_align};
    } else if (header.p_type == PT_NOTE) {
      note_segments_.push_back(
          {.offset = FileOffset(header.p_offset), .size = header.p_filesz, .alignment = header.p_align});
    }
  }
  return absl::OkStatus();
}

Status ElfFile::ReadSections(uint64_t offset, uint64_t count, uint64_t name_index) {
  if (count > kMaxSections) {
    return Error(absl::StatusCode::kResourceExhausted, "{} sections; the limit is {}", count, kMaxSections);
  }
  KILN_ASSIGN_OR_RETURN(const std::vector<Elf64_Shdr> headers,
                        ReadTable<Elf64_Shdr>(*source_, offset, count, "section headers"));
  sections_.reserve(headers.size());
  for (const Elf64_Shdr& header : headers) {
    sections_.push_back({.name = header.sh_name,
                         .type = header.sh_type,
                         .flags = header.sh_flags,
                         .address = ElfAddress(header.sh_addr),
                         .offset = FileOffset(header.sh_offset),
                         .size = header.sh_size,
                         .link = header.sh_link,
                         .info = header.sh_info,
                         .entry_size = header.sh_entsize,
                         .alignment = header.sh_addralign});
  }
  // Types, flags and links serve without names: damaged names leave the sections anonymous.
  if (name_index != SHN_UNDEF && name_index < sections_.size()) {
    StatusOr<std::vector<std::byte>> names = ReadSection(sections_[name_index], kMaxSectionNameBytes);
    if (names.ok()) section_names_ = *std::move(names);
  }
  return absl::OkStatus();
}

Status ElfFile::LayOutSections() {
  uint64_t end = 0;
  for (const bool executable : {true, false}) {
    for (Section& section : sections_) {
      if ((section.flags & SHF_ALLOC) == 0 || ((section.flags & SHF_EXECINSTR) != 0) != executable) continue;
      const uint64_t alignment = std::max<uint64_t>(section.alignment, 1);
      const uint64_t past = end % alignment;
      const uint64_t padding = past == 0 ? 0 : alignment - past;
      if (padding > UINT64_MAX - end || section.size > UINT64_MAX - end - padding) {
        return Error(absl::StatusCode::kDataLoss, "the sections take more than all addresses");
      }
      section.address = ElfAddress(end + padding);
      end += padding + section.size;
    }
  }
  return absl::OkStatus();
}

void ElfFile::ReadBuildId() {
  uint64_t budget = kMaxNoteBytes;
  const auto look_in = [&](FileOffset offset, uint64_t size, uint64_t alignment) {
    if (!build_id_.empty() || size > budget || !InFile(offset.value(), size, source_->size())) return;
    budget -= size;
    std::vector<std::byte> notes(size);
    if (source_->ReadAt(offset, notes).ok()) build_id_ = BuildIdIn(notes, alignment);
  };
  // Segments first: they are there in the process, too, and survive stripping.
  for (const NoteArea& area : note_segments_) look_in(area.offset, area.size, area.alignment);
  for (const Section& section : sections_) {
    if (section.type == SHT_NOTE && CheckInFile(section).ok()) look_in(section.offset, section.size, 4);
  }
}

std::optional<ElfAddress> ElfFile::ToElfAddress(FileOffset offset) const {
  const Segment* found = nullptr;
  for (const Segment& segment : segments_) {
    if (offset < segment.offset || offset.value() - segment.offset.value() >= segment.file_size) continue;
    if (found == nullptr || (segment.executable && !found->executable)) found = &segment;
  }
  if (found == nullptr) return std::nullopt;
  return ElfAddress(found->address.value() + (offset.value() - found->offset.value()));
}

std::optional<ElfAddress> ElfFile::StartOfMapping(FileOffset offset, uint64_t bytes) const {
  const uint64_t begin = offset.value();
  const uint64_t end = begin + std::min(bytes, UINT64_MAX - begin);
  const Segment* found = nullptr;
  uint64_t most = 0;
  for (const Segment& segment : segments_) {
    const uint64_t from = std::max(begin, segment.offset.value());
    const uint64_t to = std::min(end, segment.offset.value() + segment.file_size);
    if (from >= to) continue;
    const bool better = found == nullptr || segment.executable > found->executable ||
                        (segment.executable == found->executable && to - from > most);
    if (!better) continue;
    found = &segment;
    most = to - from;
  }
  if (found == nullptr) return std::nullopt;
  return ElfAddress(found->address.value() + begin - found->offset.value());
}

const ElfFile::Segment* ElfFile::ExecutableSegmentContaining(ElfAddress address) const {
  for (const Segment& segment : segments_) {
    if (segment.executable && address >= segment.address &&
        address.value() - segment.address.value() < segment.memory_size) {
      return &segment;
    }
  }
  return nullptr;
}

const ElfFile::Segment* ElfFile::SegmentWithBytes(ElfAddress address) const {
  for (const Segment& segment : segments_) {
    if (address >= segment.address && address.value() - segment.address.value() < segment.file_size) return &segment;
  }
  return nullptr;
}

std::optional<FileOffset> ElfFile::ToFileOffset(ElfAddress address) const {
  const Segment* segment = SegmentWithBytes(address);
  if (segment == nullptr) return std::nullopt;
  return FileOffset(segment->offset.value() + (address.value() - segment->address.value()));
}

uint64_t ElfFile::BytesFrom(ElfAddress address) const {
  const Segment* segment = SegmentWithBytes(address);
  if (segment == nullptr) return 0;
  const uint64_t skipped = address.value() - segment->address.value();
  if (!InFile(segment->offset.value(), skipped, size())) return 0;
  return std::min(segment->file_size - skipped, size() - segment->offset.value() - skipped);
}

Status ElfFile::ReadAddress(ElfAddress address, std::span<std::byte> out) const {
  const Segment* segment = SegmentWithBytes(address);
  if (segment == nullptr || BytesFrom(address) < out.size()) {
    return Error(absl::StatusCode::kOutOfRange, "{} bytes at {:#x} are not in the file", out.size(), address.value());
  }
  return source_->ReadAt(FileOffset(segment->offset.value() + (address.value() - segment->address.value())), out);
}

std::string_view ElfFile::SectionName(const Section& section) const {
  if (section.name >= section_names_.size()) return "";
  const auto rest = std::span(section_names_).subspan(section.name);
  return ByteReader(rest.first(std::min(rest.size(), kMaxSectionNameLength))).CString().value_or("");
}

const ElfFile::Section* ElfFile::FindSection(std::string_view name) const {
  const auto found = std::ranges::find_if(sections_, [&](const Section& s) { return SectionName(s) == name; });
  if (found != sections_.end()) return &*found;
  return name.starts_with(".debug_") ? FindSection(fmt::format(".z{}", name.substr(1))) : nullptr;
}

bool ElfFile::IsCompressed(const Section& section) const {
  return (section.flags & SHF_COMPRESSED) != 0 || SectionName(section).starts_with(".zdebug_");
}

const ElfFile::Section* ElfFile::FindSectionOfType(uint32_t type) const {
  const auto found = std::ranges::find(sections_, type, &Section::type);
  return found == sections_.end() ? nullptr : &*found;
}

Status ElfFile::CheckInFile(const Section& section) const {
  if (section.type == SHT_NOBITS || section.type == SHT_NULL) {
    return Error(absl::StatusCode::kNotFound, "section {} has no bytes in the file", SectionName(section));
  }
  if (!InFile(section.offset.value(), section.size, source_->size())) {
    return Error(absl::StatusCode::kDataLoss, "section {} reaches beyond the end of the file", SectionName(section));
  }
  return absl::OkStatus();
}

Status ElfFile::CheckLimit(const Section& section, uint64_t limit_bytes) const {
  if (section.size <= limit_bytes) return absl::OkStatus();
  return Error(absl::StatusCode::kResourceExhausted, "section {} has {} bytes; the limit is {}", SectionName(section),
               section.size, limit_bytes);
}

StatusOr<std::vector<std::byte>> ElfFile::ReadSection(const Section& section, uint64_t limit_bytes) const {
  KILN_RETURN_IF_ERROR(CheckInFile(section));
  KILN_RETURN_IF_ERROR(CheckLimit(section, limit_bytes));
  std::vector<std::byte> bytes(section.size);
  KILN_RETURN_IF_ERROR(source_->ReadAt(section.offset, bytes));
  if (!IsCompressed(section)) return bytes;
  StatusOr<std::vector<std::byte>> unpacked =
      (section.flags & SHF_COMPRESSED) != 0 ? UnpackSection(bytes, limit_bytes) : UnpackGnuSection(bytes, limit_bytes);
  if (!unpacked.ok()) return Annotate(unpacked.status(), fmt::format("section {}", SectionName(section)));
  return unpacked;
}

Status ElfFile::StreamSection(const Section& section, uint64_t limit_bytes,
                              absl::FunctionRef<Status(std::span<const std::byte>)> sink) const {
  KILN_RETURN_IF_ERROR(CheckInFile(section));
  uint64_t done = 0;
  const auto source = [&](std::span<std::byte> out) -> StatusOr<size_t> {
    const size_t count = std::min<uint64_t>(out.size(), section.size - done);
    KILN_RETURN_IF_ERROR(source_->ReadAt(FileOffset(section.offset.value() + done), out.first(count)));
    done += count;
    return count;
  };
  if (IsCompressed(section)) {
    const Status status = (section.flags & SHF_COMPRESSED) != 0 ? UnpackSection(source, limit_bytes, sink)
                                                                : UnpackGnuSection(source, limit_bytes, sink);
    return status.ok() ? status : Annotate(status, fmt::format("section {}", SectionName(section)));
  }
  KILN_RETURN_IF_ERROR(CheckLimit(section, limit_bytes));
  std::vector<std::byte> piece(std::min<uint64_t>(section.size, kStreamPieceBytes));
  while (done < section.size) {
    KILN_ASSIGN_OR_RETURN(const size_t count, source(piece));
    KILN_RETURN_IF_ERROR(sink(std::span(piece).first(count)));
  }
  return absl::OkStatus();
}

Status ElfFile::ReadSectionAt(const Section& section, uint64_t offset, std::span<std::byte> out) const {
  KILN_RETURN_IF_ERROR(CheckInFile(section));
  if (IsCompressed(section)) {
    return Error(absl::StatusCode::kUnimplemented, "section {} is compressed", SectionName(section));
  }
  if (!InFile(offset, out.size(), section.size)) {
    return Error(absl::StatusCode::kOutOfRange, "a read beyond the end of section {}", SectionName(section));
  }
  return source_->ReadAt(FileOffset(section.offset.value() + offset), out);
}

}  // namespace kiln::symbolizer
