// SPDX-License-Identifier: Apache-2.0
// Makes ELF files for tests, good and damaged ones. The layout is: header, program headers, contents of sections in the
// order in which they were added, section headers. What a test wants to be wrong it changes in `patch_*`, which see
// the finished structures just before they are written.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "symbolizer/byte_source.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer::testing {

struct TestSymbol {
  std::string name;
  uint64_t value = 0;
  uint64_t size = 0;
  uint8_t type = STT_FUNC;
  uint8_t binding = STB_GLOBAL;
  uint16_t section = 1;
};

struct TestSection {
  std::string name;
  uint32_t type = SHT_PROGBITS;
  uint64_t flags = 0;
  uint64_t address = 0;
  std::string bytes = {};
  uint64_t size = 0;  // for SHT_NOBITS, which has no bytes
  uint32_t link = 0;
  uint32_t info = 0;
  uint64_t entry_size = 0;
};

inline Elf64_Phdr LoadSegment(uint64_t offset, uint64_t address, uint64_t size, uint32_t flags) {
  return {.p_type = PT_LOAD,
          .p_flags = flags,
          .p_offset = offset,
          .p_vaddr = address,
          .p_paddr = address,
          .p_filesz = size,
          .p_memsz = size,
          .p_align = 4096};
}

class ElfBuilder {
 public:
  std::function<void(Elf64_Ehdr&)> patch_header = [](Elf64_Ehdr&) {};
  std::function<void(std::vector<Elf64_Shdr>&)> patch_sections = [](std::vector<Elf64_Shdr>&) {};
  std::function<void(std::vector<Elf64_Sym>&)> patch_symbols = [](std::vector<Elf64_Sym>&) {};

  // Returns the index of the section.
  uint32_t Add(TestSection section) {
    sections_.push_back(std::move(section));
    return static_cast<uint32_t>(sections_.size());
  }
  // Executable addresses without content.
  uint32_t AddText(uint64_t address, uint64_t size, const std::string& name = ".text") {
    return Add(
        {.name = name, .type = SHT_NOBITS, .flags = SHF_ALLOC | SHF_EXECINSTR, .address = address, .size = size});
  }
  // A symbol table of `type` (SHT_SYMTAB or SHT_DYNSYM) with its string table. Returns the index of the symbol table.
  uint32_t AddSymbols(uint32_t type, const std::vector<TestSymbol>& symbols) {
    std::string strings(1, '\0');
    std::vector<Elf64_Sym> table(1);
    for (const TestSymbol& symbol : symbols) {
      table.push_back({.st_name = symbol.name.empty() ? 0 : static_cast<Elf64_Word>(strings.size()),
                       .st_info = static_cast<unsigned char>(ELF64_ST_INFO(symbol.binding, symbol.type)),
                       .st_other = 0,
                       .st_shndx = symbol.section,
                       .st_value = symbol.value,
                       .st_size = symbol.size});
      strings += symbol.name + '\0';
    }
    patch_symbols(table);
    const uint32_t names =
        Add({.name = type == SHT_SYMTAB ? ".strtab" : ".dynstr", .type = SHT_STRTAB, .bytes = strings});
    return Add({.name = type == SHT_SYMTAB ? ".symtab" : ".dynsym",
                .type = type,
                .bytes = Text(table),
                .link = names,
                .entry_size = sizeof(Elf64_Sym)});
  }
  void AddSegment(const Elf64_Phdr& segment) { segments_.push_back(segment); }
  // A PT_LOAD segment whose content is `bytes`.
  void AddLoadedBytes(uint64_t address, const std::string& bytes, uint32_t flags) {
    blobs_.push_back({.segment = segments_.size(), .bytes = bytes});
    AddSegment(LoadSegment(0, address, bytes.size(), flags));
  }
  // A segment whose content is `bytes`.
  void AddNoteSegment(const std::string& bytes, uint64_t alignment) {
    blobs_.push_back({.segment = segments_.size(), .bytes = bytes});
    AddSegment({.p_type = PT_NOTE,
                .p_flags = PF_R,
                .p_offset = 0,
                .p_vaddr = 0,
                .p_paddr = 0,
                .p_filesz = bytes.size(),
                .p_memsz = bytes.size(),
                .p_align = alignment});
  }

  std::string Build() const {
    std::vector<Elf64_Phdr> segments = segments_;
    std::string content;
    const uint64_t content_start = sizeof(Elf64_Ehdr) + segments.size() * sizeof(Elf64_Phdr);
    const auto place = [&](const std::string& bytes) {
      content.resize((content.size() + 7) / 8 * 8);
      content += bytes;
      return content_start + content.size() - bytes.size();
    };
    for (const Blob& blob : blobs_) segments[blob.segment].p_offset = place(blob.bytes);

    std::vector<Elf64_Shdr> headers(1);
    std::vector<TestSection> sections = sections_;
    sections.push_back({.name = ".shstrtab", .type = SHT_STRTAB});
    std::string names(1, '\0');
    for (const TestSection& section : sections) names += section.name + '\0';
    sections.back().bytes = names;
    uint32_t name = 1;
    for (const TestSection& section : sections) {
      headers.push_back({.sh_name = name,
                         .sh_type = section.type,
                         .sh_flags = section.flags,
                         .sh_addr = section.address,
                         .sh_offset = place(section.bytes),
                         .sh_size = section.type == SHT_NOBITS ? section.size : section.bytes.size(),
                         .sh_link = section.link,
                         .sh_info = section.info,
                         .sh_addralign = 8,
                         .sh_entsize = section.entry_size});
      name += static_cast<uint32_t>(section.name.size()) + 1;
    }
    const uint64_t header_offset = place("");
    patch_sections(headers);

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof(Elf64_Ehdr);
    header.e_shoff = header_offset;
    header.e_ehsize = sizeof(Elf64_Ehdr);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = static_cast<uint16_t>(segments.size());
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = static_cast<uint16_t>(headers.size());
    header.e_shstrndx = static_cast<uint16_t>(headers.size() - 1);
    patch_header(header);
    return Text(std::vector{header}) + Text(segments) + content + Text(headers);
  }

  StatusOr<ElfFile> Open() const { return OpenText(Build()); }
  static StatusOr<ElfFile> OpenText(std::string_view image) {
    const auto bytes = AsBytes(image);
    return ElfFile::Open(MakeMemorySource(std::vector<std::byte>(bytes.begin(), bytes.end())));
  }

 private:
  struct Blob {
    size_t segment;
    std::string bytes;
  };
  template <typename T>
  static std::string Text(const std::vector<T>& values) {
    return std::string(AsText(std::as_bytes(std::span(values))));
  }

  std::vector<TestSection> sections_;
  std::vector<Elf64_Phdr> segments_;
  std::vector<Blob> blobs_;
};

// A note as it stands in a PT_NOTE segment; name and description are padded to `alignment`.
inline std::string Note(uint32_t type, std::string name, std::string description, size_t alignment = 4) {
  const Elf64_Nhdr header{.n_namesz = static_cast<uint32_t>(name.size()),
                          .n_descsz = static_cast<uint32_t>(description.size()),
                          .n_type = type};
  name.resize((name.size() + alignment - 1) / alignment * alignment);
  description.resize((description.size() + alignment - 1) / alignment * alignment);
  return std::string(AsText(std::as_bytes(std::span(&header, 1)))) + name + description;
}
inline std::string BuildIdNote(const std::string& id) { return Note(NT_GNU_BUILD_ID, std::string("GNU\0", 4), id); }

}  // namespace kiln::symbolizer::testing
