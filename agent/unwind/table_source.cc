// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_source.h"

#include <algorithm>
#include <utility>

namespace kiln::agent {

using symbolizer::DebugFile;
using symbolizer::UnwindTableBuilder;

DebugFilePlaces DebugFilePlacesOf(int32_t pid, const std::string& path) {
  return {.path = path, .roots = {fmt::format("/proc/{}/root", pid), "/"}};
}

StatusOr<TableSource> OpenTableSource(const symbolizer::ElfFile& elf, const DebugFilePlaces& places) {
  TableSource source;
  KILN_ASSIGN_OR_RETURN(source.builder, UnwindTableBuilder::Open(elf));
  if (!source.builder->LacksUnwindInformation()) return source;
  std::optional<DebugFile> found = symbolizer::FindDebugFile(elf, places).file;
  if (!found) return source;
  auto debug_file = std::make_unique<const DebugFile>(*std::move(found));
  auto builder = UnwindTableBuilder::Open(elf, {.debug_file = &debug_file->elf});
  if (!builder.ok()) return source;
  const bool has_some =
      std::ranges::any_of((*builder)->cfi_origins(), [](const auto& origin) { return origin.in_debug_file; });
  if (!has_some) return source;
  return TableSource{.debug_file = std::move(debug_file), .builder = *std::move(builder)};
}

}  // namespace kiln::agent
