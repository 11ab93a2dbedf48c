// SPDX-License-Identifier: Apache-2.0
// GoNames on any bytes: a lookup gives lines with names, or a reason.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "symbolizer/go/go_names.h"

using namespace kiln;
using namespace kiln::symbolizer;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const StatusOr<ElfFile> elf = ElfFile::Open(MakeMemorySource(std::vector<std::byte>(bytes, bytes + size)));
  if (!elf.ok()) return 0;
  const StatusOr<GoNames> names = GoNames::Find(*elf);
  if (!names.ok()) return 0;
  for (size_t i = 0; i < std::min<size_t>(names->table().size(), 20); ++i) {
    const StatusOr<CodeExtent> extent = names->table().Extent(i);
    if (!extent.ok()) break;
    Check(extent->begin <= extent->end);
    const uint64_t bytes_of_code = extent->end.value() - extent->begin.value();
    for (uint64_t at = 0; at < std::min<uint64_t>(bytes_of_code, 64); at += 3) {
      const Naming naming = names->Lookup(ElfAddress(extent->begin.value() + at));
      Check(naming.lines.empty() == (naming.miss != Miss::kNone));
      Check(naming.miss == Miss::kNone || naming.miss == Miss::kDamaged);
      Check(naming.lines.size() <= kMaxGoInlineDepth);
      for (const SourceLine& line : naming.lines) {
        Check(!line.name.empty() && line.name.size() <= kMaxGoNameBytes && line.file.size() <= kMaxGoPathBytes);
        Check(line.line >= 0 && line.start_line >= 0);
      }
    }
    Check(names->Lookup(extent->end).lines.empty() || i + 1 < names->table().size());
  }
  return 0;
}
