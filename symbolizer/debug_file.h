// SPDX-License-Identifier: Apache-2.0
// Finds the files that hold the debug information of an object file, where distributions, objcopy --add-gnu-debuglink,
// dwz and compilers put them.
//
// The debug file: first in each of `debug_folders` D, then in each of `roots`, in this order:
//   1. by the build id: D/.build-id/xx/rest.debug and the same below D/usr/lib/debug (an unpacked package);
//      in a root /usr/lib/debug/.build-id/xx/rest.debug
//   2. by the name in .gnu_debuglink: D/NAME, D and D/usr/lib/debug at the file's folder;
//      in a root beside the file, in .debug/ beside it, below /usr/lib/debug at its folder
//   3. by the file's own path, FILE and FILE.debug, where 2. looks below D and /usr/lib/debug: so lie the debug files
//      of the kernel's modules, which have no .gnu_debuglink
// Below these folders /usr/lib and /lib are one, likewise bin, sbin and lib64: systems where they are links name files
// either way.
// The file that dwz shares among debug files: by the name in .gnu_debugaltlink, by its build id, and in .dwz/.
//
// A file counts only if it belongs to the object file: by an equal build id, else by the CRC that .gnu_debuglink holds.
// Of .dwo and .dwp files nobody can tell that here: they have ids of their own, which whoever reads them compares.
// Places and rules: GDB manual, "Debugging Information in Separate Files".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "symbolizer/debug_link.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// Larger files are passed over if only their CRC could tell that they belong: it costs a second per GiB.
inline constexpr uint64_t kMaxCrcBytes = uint64_t{2} << 30;

// Why there is no debug file.
enum class DebugMiss : uint8_t {
  kNone,            // there is one
  kNothingToGoBy,   // the file has neither a build id nor a link
  kNotFound,        // no file where it should be
  kItself,          // .gnu_debuglink leads back to the file
  kBuildIdDiffers,  // the file in its place is that of another build
  kWrongCrc,        // the same, told by the CRC
  kNotElf,          // not an ELF file
  kWrongKind,       // an ELF file of another machine, of 32 bits, big endian …
  kDamaged,         // an ELF file that is cut or contradicts itself
  kUnreadable,      // permissions, I/O error, a loop of symbolic links, a FIFO
  kTooLarge,        // beyond the limit for what has to be read to tell that it belongs
  kNoDebugInfo,     // belongs, but holds no debug information: of code that is looked for by its build id alone
  kOtherSections,   // of an object file before linking: the code would have other addresses
};
inline constexpr int kDebugMissCount = static_cast<int>(DebugMiss::kOtherSections) + 1;
// Short text for people, e.g. "the build id differs". Never empty.
std::string_view DebugMissName(DebugMiss miss);

// Where to look. Nothing outside of roots and folders is opened, whatever names in files and symbolic links say.
struct DebugPlaces {
  // Where the object file is in the roots; "" if not known, then only the build id counts there.
  std::string path = {};
  // Folders that stand for "/", best first: /proc/PID/root for how a process sees its files, "/" for the host.
  std::vector<std::string> roots = {};
  // Folders laid out like /usr/lib/debug. Links in them that are absolute begin at the folder.
  std::vector<std::string> debug_folders = {};
};

struct DebugFile {
  ElfFile elf;
  std::string path;  // in its root, for people
  std::string root;  // the one of the roots or debug folders that has it
};

struct DebugSearch {
  std::optional<DebugFile> file = {};
  // Of a file that was passed over if there was one, the first in the order above; else kNotFound and the like.
  DebugMiss miss = DebugMiss::kNotFound;
  std::string passed_over = {};  // root and path of that file, for people; "" = none
};

// The separate debug file of `elf`, for one before linking another such. Costs a dozen open(2) calls; reads whole files
// if a CRC has to tell.
DebugSearch FindDebugFile(const ElfFile& elf, const DebugPlaces& places);

// The same for code that is no file to begin with, but has a build id: the kernel and its modules. Counts only by an
// equal build id and with debug information in it; object files before linking count, too.
struct CodeByBuildId {
  std::string build_id;  // lower-case hex; "" = nothing is found
  // Where the file may be besides under its build id: below folders laid out like /usr/lib/debug, and then in the
  // roots. Each begins with '/'.
  std::vector<std::string> in_debug_folders = {};
  std::vector<std::string> in_roots = {};
};
DebugSearch FindDebugFileByBuildId(const CodeByBuildId& code, const DebugPlaces& places);

// The file that .gnu_debugaltlink of `elf` names; `elf` is at `path` of one of the places. A relative name counts from
// the folder of the file itself, not of a link to it.
DebugSearch FindAltFile(const ElfFile& elf, std::string_view path, const DebugPlaces& places);

// FILE.dwp, the package of all .dwo files of one program: beside the object file, beside its debug file (`debug_path`,
// "" = none), below /usr/lib/debug and in the debug folders. Of `elf`'s machine; not known to belong.
DebugSearch FindDwpFile(const ElfFile& elf, std::string_view debug_path, const DebugPlaces& places);

// The .dwo file that a skeleton unit of `elf` names by DW_AT_dwo_name and DW_AT_comp_dir: at that path in the roots and
// debug folders, then by its plain name beside the object file and in the debug folders. Not known to belong.
DebugSearch FindDwoFile(const ElfFile& elf, std::string_view comp_dir, std::string_view name,
                        const DebugPlaces& places);

}  // namespace kiln::symbolizer
