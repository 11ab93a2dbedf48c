// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/code_walker.h"

#include <optional>

namespace kiln::agent {
namespace {

// ELF address of a mapping's first byte; may wrap around. A mapping begins at a page, its segment anywhere in it: the
// offset of that page may lie in the segment before.
std::optional<uint64_t> FirstElfAddress(const symbolizer::ElfFile& elf, const Mapping& mapping) {
  const uint64_t offset = mapping.offset.value(), end = offset + (mapping.end.value() - mapping.start.value());
  for (const symbolizer::ElfFile::Segment& segment : elf.segments()) {
    const uint64_t begin = segment.offset.value();
    if (segment.executable && begin < end && begin + segment.file_size > offset) {
      return segment.address.value() + offset - begin;
    }
  }
  return std::nullopt;
}

}  // namespace

bool HasObject(const Mapping& mapping) { return mapping.is_file() || mapping.path == "[vdso]"; }

CodeWalker ChooseWalker(const Mapping& mapping, const ObjectFile* object) {
  // Some JITs map their cache from a file.
  if (object == nullptr || object->miss == symbolizer::Miss::kNotElf) return {.walker = KILN_WALKER_FRAME_POINTER};
  if (!object->elf) return {.stop = KILN_STOP_FILE_UNREADABLE};
  const std::optional<uint64_t> address = FirstElfAddress(*object->elf, mapping);
  if (!address) return {.stop = KILN_STOP_NO_CFI};
  return {.walker = KILN_WALKER_TABLE, .address = *address};
}

}  // namespace kiln::agent
