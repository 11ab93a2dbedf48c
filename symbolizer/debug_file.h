// SPDX-License-Identifier: Apache-2.0
// Finds the separate debug file of an object file, where distributions and objcopy --add-gnu-debuglink put it.
//
// In each root, in this order:
//   1. /usr/lib/debug/.build-id/xx/rest.debug, by the build id
//   2. what .gnu_debuglink names: beside the file, in .debug/ beside it, below /usr/lib/debug at the file's folder
// A file counts only if it belongs to the object file: by an equal build id, else by the CRC that .gnu_debuglink holds.
// Places and rules: GDB manual, "Debugging Information in Separate Files".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// Larger files are passed over if only their CRC could tell that they belong: it costs a second per GiB.
inline constexpr uint64_t kMaxCrcBytes = uint64_t{2} << 30;

// .gnu_debuglink of a file.
struct DebugLink {
  std::string name;  // without a folder: no '/', neither "." nor ".."
  uint32_t crc;      // of the whole debug file: CRC-32 of IEEE 802.3, as zlib's
};
// nullopt if there is none, or none that can be believed.
std::optional<DebugLink> ReadDebugLink(const ElfFile& elf);

struct DebugFile {
  ElfFile elf;
  std::string path;  // in its root, for people
  std::string root;  // the one of the roots that has it
};

// `path` is where `elf` lies in the roots; "" if not known, then only the build id counts. `roots` are folders that
// stand for "/", best first: /proc/PID/root for how a process sees its files, "/" for the host. Nothing outside of them
// is opened, whatever `path`, .gnu_debuglink and symbolic links say. Costs a few open(2) calls; reads the whole debug
// file if the CRC has to tell.
std::optional<DebugFile> FindDebugFile(const ElfFile& elf, std::string_view path, std::span<const std::string> roots);

}  // namespace kiln::symbolizer
