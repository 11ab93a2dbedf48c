// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/kernel_layout.h"

#include <elf.h>

#include <algorithm>
#include <map>
#include <span>
#include <string_view>

#include "base/byte_reader.h"

namespace kiln::symbolizer {
namespace {

// A distribution's kernel has some 10 MB of either.
constexpr uint64_t kMaxTableBytes = uint64_t{256} << 20;
constexpr size_t kSymbolsAtOnce = 16 * 1024;

// Whether the text at `offset` of the string table is `name`.
bool IsNameAt(std::string_view strings, uint32_t offset, std::string_view name) {
  if (offset >= strings.size()) return false;
  const std::string_view rest = strings.substr(offset);
  return rest.size() > name.size() && rest.starts_with(name) && rest[name.size()] == '\0';
}

Status ReadMarkers(const ElfFile& elf, KernelLayout& layout) {
  const ElfFile::Section* const symbols = elf.FindSectionOfType(SHT_SYMTAB);
  if (symbols == nullptr || symbols->link >= elf.sections().size()) {
    return Error(absl::StatusCode::kNotFound, "the kernel's debug file has no symbol table");
  }
  if (symbols->size > kMaxTableBytes) {
    return Error(absl::StatusCode::kResourceExhausted, "a symbol table of {} bytes", symbols->size);
  }
  KILN_ASSIGN_OR_RETURN(const std::vector<std::byte> names,
                        elf.ReadSection(elf.sections()[symbols->link], kMaxTableBytes));
  const std::string_view strings = AsText(names);
  std::vector<Elf64_Sym> some(kSymbolsAtOnce);
  const uint64_t count = symbols->size / sizeof(Elf64_Sym);
  for (uint64_t at = 0; at < count && !(layout.text && layout.stext); at += some.size()) {
    const auto piece = std::span(some).first(std::min<uint64_t>(some.size(), count - at));
    KILN_RETURN_IF_ERROR(elf.ReadSectionAt(*symbols, at * sizeof(Elf64_Sym), std::as_writable_bytes(piece)));
    for (const Elf64_Sym& symbol : piece) {
      if (symbol.st_shndx == SHN_UNDEF) continue;
      if (IsNameAt(strings, symbol.st_name, "_text")) layout.text = ElfAddress(symbol.st_value);
      if (IsNameAt(strings, symbol.st_name, "_stext")) layout.stext = ElfAddress(symbol.st_value);
    }
  }
  if (layout.text || layout.stext) return absl::OkStatus();
  return Error(absl::StatusCode::kNotFound, "the kernel's debug file has neither a symbol _text nor _stext");
}

}  // namespace

StatusOr<KernelLayout> ReadKernelLayout(const ElfFile& elf) {
  KernelLayout layout;
  if (!elf.relocatable()) {
    KILN_RETURN_IF_ERROR(ReadMarkers(elf, layout));
    return layout;
  }
  std::map<std::string_view, int> sections_of_name;
  for (const ElfFile::Section& section : elf.sections()) ++sections_of_name[elf.SectionName(section)];
  constexpr uint64_t kCode = SHF_ALLOC | SHF_EXECINSTR;
  for (const ElfFile::Section& section : elf.sections()) {
    const std::string_view name = elf.SectionName(section);
    if ((section.flags & kCode) != kCode || section.size == 0 || name.empty() || sections_of_name[name] != 1) continue;
    layout.sections.push_back({.name = std::string(name), .start = section.address, .size = section.size});
  }
  if (layout.sections.empty()) return Error(absl::StatusCode::kNotFound, "the module's debug file names no code");
  return layout;
}

}  // namespace kiln::symbolizer
