// SPDX-License-Identifier: Apache-2.0
// ElfFile and SymbolTable on any bytes. What is found has to be consistent: sections that are read have their size,
// and each name that is looked up is within the limits. A debug link names
// no place but a file.
#include <elf.h>

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "symbolizer/debug_file.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/string_table.h"
#include "symbolizer/symbol_table.h"

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
  if (!elf.ok()) {
    Check(MissFromStatus(elf.status()) != Miss::kNone && MissFromStatus(elf.status()) != Miss::kNoFile);
    return 0;
  }
  Check(elf->build_id().size() <= 2 * kMaxBuildIdBytes);
  (void)elf->FindSection(".symtab");
  if (const auto link = ReadDebugLink(*elf)) {
    Check(!link->name.empty() && link->name != ".." && link->name.find('/') == std::string::npos);
  }
  for (const ElfFile::Section& section : elf->sections()) {
    const auto content = elf->ReadSection(section, 1 << 20);
    if (content.ok() && (section.flags & SHF_COMPRESSED) == 0) Check(content->size() == section.size);
    if (content.ok()) Check(content->size() <= 1 << 20);
  }
  const StatusOr<SymbolTable> table = SymbolTable::Read(*elf);
  for (const ElfFile::Segment& segment : elf->segments()) {
    const auto address = elf->ToElfAddress(segment.offset);
    Check(address.has_value() || segment.file_size == 0);
    if (!table.ok()) continue;
    for (uint64_t step = 0; step < 64; ++step) {
      const ElfAddress probe(segment.address.value() + step * (segment.memory_size / 64));
      Check(table->LookupRaw(probe).size() <= kMaxSymbolNameBytes);
    }
  }
  for (uint64_t address = 0; table.ok() && address < 0x4000; address += 0x100) (void)table->Lookup(ElfAddress(address));
  return 0;
}
