// SPDX-License-Identifier: Apache-2.0
// Where the kernel's code, or a module's, lies in the addresses of its debug file.
//
// The kernel proper is moved as a whole when it is loaded (KASLR): an address counts from _text, there as here. A
// module is an object file before linking: the kernel places each of its sections for itself, and frees some, so an
// address counts from its section, there (/sys/module/NAME/sections) as here (ElfFile::OpenRelocatable).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/status.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

struct KernelLayout {
  // Of the kernel proper.
  std::optional<ElfAddress> text;   // _text
  std::optional<ElfAddress> stext;  // _stext
  // Of a module: sections with code whose name only one section has.
  struct Section {
    std::string name;
    ElfAddress start;
    uint64_t size;
  };
  std::vector<Section> sections;
};

// kNotFound if the file has none of these, or no symbol table; kDataLoss if that is damaged, kResourceExhausted if it
// is too large.
StatusOr<KernelLayout> ReadKernelLayout(const ElfFile& elf);

}  // namespace kiln::symbolizer
