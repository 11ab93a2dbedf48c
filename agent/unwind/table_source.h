// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "symbolizer/debug_file.h"
#include "symbolizer/unwind/unwind_table_builder.h"

namespace kiln::agent {

using DebugFilePlaces = symbolizer::DebugPlaces;
// For a file that a process has mapped from `path`: as that process sees its files, then as this host does.
DebugFilePlaces DebugFilePlacesOf(int32_t pid, const std::string& path);

// What an unwind table is made from. The builder refers to the debug file.
struct TableSource {
  std::unique_ptr<const symbolizer::DebugFile> debug_file;  // nullptr if there is none, or none was needed
  std::unique_ptr<symbolizer::UnwindTableBuilder> builder;
};

// Opens `elf`, which must stay. If a good part of its code has no unwind information, the debug file is looked for, and
// kept if it has some. Errors as of UnwindTableBuilder::Open.
StatusOr<TableSource> OpenTableSource(const symbolizer::ElfFile& elf, const DebugFilePlaces& places);

}  // namespace kiln::agent
