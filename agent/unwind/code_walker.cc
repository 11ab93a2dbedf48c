// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/code_walker.h"

namespace kiln::agent {

bool HasObject(const Mapping& mapping) { return mapping.is_file() || mapping.path == "[vdso]"; }

CodeWalker ChooseWalker(const Mapping& mapping, const ObjectFile* object) {
  // Some JITs map their cache from a file.
  if (object == nullptr || object->miss == symbolizer::Miss::kNotElf) return {.walker = KILN_WALKER_FRAME_POINTER};
  if (!object->elf) return {.stop = KILN_STOP_FILE_UNREADABLE};
  const auto address = object->elf->StartOfMapping(mapping.offset, mapping.end.value() - mapping.start.value());
  if (!address) return {.stop = KILN_STOP_NO_CFI};
  return {.walker = KILN_WALKER_TABLE, .address = *address};
}

}  // namespace kiln::agent
