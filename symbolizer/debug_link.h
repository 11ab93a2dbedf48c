// SPDX-License-Identifier: Apache-2.0
// What an ELF file says about other files that hold its debug information.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// .gnu_debuglink of a file.
struct DebugLink {
  std::string name;  // without a folder: no '/', neither "." nor ".."
  uint32_t crc;      // of the whole debug file: CRC-32 of IEEE 802.3, as zlib's
};
// nullopt if there is none, or none that can be believed.
std::optional<DebugLink> ReadDebugLink(const ElfFile& elf);

// .gnu_debugaltlink: the file with what several debug files have in common, as dwz makes it.
struct AltLink {
  std::string name;      // a path, absolute or relative to the folder of the debug file
  std::string build_id;  // of that file, in lower-case hex; not empty
};
std::optional<AltLink> ReadAltLink(const ElfFile& elf);

}  // namespace kiln::symbolizer
