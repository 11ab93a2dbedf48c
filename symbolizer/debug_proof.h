// SPDX-License-Identifier: Apache-2.0
// Whether a file that lies where a debug file should be is the one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "base/status.h"
#include "symbolizer/debug_file.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// How to tell that a file is the one that was looked for.
struct DebugProof {
  const ElfFile* elf = nullptr;      // whose debug information it is; nullptr = no file's
  std::string_view own_path = {};    // where that one is
  std::string_view build_id = {};    // "" = none to compare with
  std::optional<uint32_t> crc = {};  // counts where one of the two files has no build id
  bool none_needed = false;          // the name has to do
  bool take_relocatable = false;
  bool same_code = false;  // the code has to have the same addresses
  bool needs_debug_info = false;
  bool no_copy = false;  // a file without debug information is a copy of `elf`
};

// kNone if `found`, opened from `bytes`, is what was looked for. Reads all of it if a CRC has to tell.
DebugMiss ExamineDebugFile(const ElfFile& found, const StatusOr<File>& bytes, const DebugProof& proof);

}  // namespace kiln::symbolizer
