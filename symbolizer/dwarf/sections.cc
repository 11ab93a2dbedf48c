// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/sections.h"

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <utility>

#include "symbolizer/dwarf/relocate.h"

namespace kiln::symbolizer::dwarf {
namespace {

struct Wanted {
  std::string_view name;  // without ".debug_"
  Bytes Sections::*member;
};

constexpr std::array kWanted = {Wanted{"info", &Sections::info},
                                Wanted{"types", &Sections::types},
                                Wanted{"abbrev", &Sections::abbrev},
                                Wanted{"line", &Sections::line},
                                Wanted{"str", &Sections::str},
                                Wanted{"line_str", &Sections::line_str},
                                Wanted{"str_offsets", &Sections::str_offsets},
                                Wanted{"addr", &Sections::addr},
                                Wanted{"ranges", &Sections::ranges},
                                Wanted{"rnglists", &Sections::rnglists},
                                Wanted{"cu_index", &Sections::cu_index}};

// "info" for .debug_info, .debug_info.dwo and .zdebug_info; "" for others.
std::string_view BareName(std::string_view name) {
  for (const std::string_view prefix : {".debug_", ".zdebug_"}) {
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    if (name.ends_with(".dwo")) name.remove_suffix(4);
    return name;
  }
  return {};
}

size_t PageBytes() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

SectionLoader::SectionLoader(SectionLoader&& other) noexcept
    : sections_(std::exchange(other.sections_, {})),
      bytes_(other.bytes_),
      held_bytes_(other.held_bytes_),
      scratch_bytes_(other.scratch_bytes_),
      mappings_(std::exchange(other.mappings_, {})),
      scratch_(std::move(other.scratch_)),
      read_(std::move(other.read_)) {}

SectionLoader& SectionLoader::operator=(SectionLoader&& other) noexcept {
  std::swap(sections_, other.sections_);
  std::swap(bytes_, other.bytes_);
  std::swap(held_bytes_, other.held_bytes_);
  std::swap(scratch_bytes_, other.scratch_bytes_);
  std::swap(mappings_, other.mappings_);
  std::swap(scratch_, other.scratch_);
  std::swap(read_, other.read_);
  return *this;
}

SectionLoader::~SectionLoader() {
  for (const Mapping& mapping : mappings_) ::munmap(mapping.at, mapping.bytes);
}

void SectionLoader::Drop() const {
  for (const Mapping& mapping : mappings_) ::madvise(mapping.at, mapping.bytes, MADV_DONTNEED);
  for (const ScratchFile& file : scratch_) file.Drop();
}

StatusOr<Bytes> SectionLoader::Map(const ElfFile& elf, const ElfFile::Section& section) {
  const uint64_t start = section.offset.value() / PageBytes() * PageBytes();
  const uint64_t ahead = section.offset.value() - start;
  if (section.offset.value() > elf.size() || section.size > elf.size() - section.offset.value()) {
    return Error(absl::StatusCode::kDataLoss, "section {} reaches beyond the end of the file",
                 elf.SectionName(section));
  }
  void* const at = ::mmap(nullptr, ahead + section.size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, elf.file()->fd(),
                          static_cast<off_t>(start));
  if (at == MAP_FAILED) return ErrnoError(errno, "cannot map section {}", elf.SectionName(section));
  mappings_.push_back({.at = at, .bytes = ahead + section.size});
  return Bytes(static_cast<const std::byte*>(at) + ahead, section.size);
}

StatusOr<Bytes> SectionLoader::ReadToScratch(const ElfFile& elf, const ElfFile::Section& section,
                                             const std::string& folder) {
  KILN_ASSIGN_OR_RETURN(ScratchFile file, ScratchFile::Create(folder));
  KILN_RETURN_IF_ERROR(elf.StreamSection(section, kDefaultMaxDebugBytes - scratch_bytes_, [&](Bytes bytes) {
    file.Append(bytes);
    return file.status();
  }));
  KILN_ASSIGN_OR_RETURN(const Bytes bytes, file.Finish());
  scratch_bytes_ += bytes.size();
  scratch_.push_back(std::move(file));
  return bytes;
}

StatusOr<Bytes> SectionLoader::LoadSection(const ElfFile& elf, const ElfFile::Section& section,
                                           const LoadOptions& options) {
  const bool relocated = HasRelocations(elf, section);
  if (!relocated) {
    if (options.map && !elf.IsCompressed(section) && elf.file() != nullptr) return Map(elf, section);
    if (!options.scratch_folder.empty()) return ReadToScratch(elf, section, options.scratch_folder);
  }
  const uint64_t left = options.limit_bytes - std::min(options.limit_bytes, held_bytes_);
  KILN_ASSIGN_OR_RETURN(std::vector<std::byte> bytes, elf.ReadSection(section, left));
  if (relocated) KILN_RETURN_IF_ERROR(ApplyRelocations(elf, section, bytes));
  held_bytes_ += bytes.size();
  read_.push_back(std::make_unique<std::vector<std::byte>>(std::move(bytes)));
  return Bytes(*read_.back());
}

StatusOr<SectionLoader> SectionLoader::Load(const ElfFile& elf, const LoadOptions& options) {
  SectionLoader loader;
  for (const ElfFile::Section& section : elf.sections()) {
    if (section.type == SHT_NOBITS || section.size == 0) continue;
    const std::string_view name = BareName(elf.SectionName(section));
    for (const Wanted& wanted : kWanted) {
      // Of several sections of one name, as a hostile file may have, the first one counts. Relocatable files may have
      // several .debug_types; these have no code.
      if (wanted.name != name || !(loader.sections_.*wanted.member).empty()) continue;
      KILN_ASSIGN_OR_RETURN(loader.sections_.*wanted.member, loader.LoadSection(elf, section, options));
      loader.bytes_ += (loader.sections_.*wanted.member).size();
    }
  }
  return loader;
}

}  // namespace kiln::symbolizer::dwarf
