// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/debug_files.h"

#include <elf.h>

#include <string_view>
#include <utility>

#include "symbolizer/debug_link.h"
#include "symbolizer/mini_debug_info.h"

namespace kiln::symbolizer {

bool HasDebugInfo(const ElfFile& elf) {
  for (const std::string_view name : {".debug_info", ".zdebug_info"}) {
    const ElfFile::Section* section = elf.FindSection(name);
    if (section != nullptr && section->type != SHT_NOBITS && section->size != 0) return true;
  }
  return false;
}

const ElfFile* DebugFiles::InfoOf(const ElfFile& elf) const {
  if (debug && HasDebugInfo(debug->elf)) return &debug->elf;
  return HasDebugInfo(elf) ? &elf : nullptr;
}

std::vector<const ElfFile*> DebugFiles::SymbolFilesOf(const ElfFile& elf) const {
  std::vector<const ElfFile*> files{&elf};
  if (debug) files.push_back(&debug->elf);
  if (mini) files.push_back(&*mini);
  return files;
}

DebugFiles FindDebugFiles(const ElfFile& elf, const DebugPlaces& places) {
  DebugFiles files;
  if (!HasDebugInfo(elf)) {
    DebugSearch search = FindDebugFile(elf, places);
    files.debug = std::move(search.file);
    files.debug_miss = files.debug ? DebugMiss::kNone : search.miss;
    files.passed_over = std::move(search.passed_over);
  }
  const bool has_symbols = elf.FindSectionOfType(SHT_SYMTAB) != nullptr ||
                           (files.debug && files.debug->elf.FindSectionOfType(SHT_SYMTAB) != nullptr);
  if (!has_symbols) {
    if (auto mini = ReadMiniDebugInfo(elf); mini.ok()) files.mini = *std::move(mini);
  }
  const ElfFile* const info = files.InfoOf(elf);
  if (info == nullptr) return files;
  const std::string path = files.debug ? files.debug->path : places.path;
  if (ReadAltLink(*info)) {
    DebugSearch search = FindAltFile(*info, path, places);
    files.supplementary = std::move(search.file);
    files.supplementary_miss = files.supplementary ? DebugMiss::kNone : search.miss;
  }
  files.package = std::move(FindDwpFile(elf, files.debug ? files.debug->path : "", places).file);
  return files;
}

}  // namespace kiln::symbolizer
