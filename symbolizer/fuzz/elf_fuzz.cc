// SPDX-License-Identifier: Apache-2.0
// ElfFile, SymbolTable, MiniDebugInfo, PLT stubs and links to debug files on any bytes. What is found has to be
// consistent: sections that are read have their size, each name that is looked up is within the limits, stubs are in
// order, and a debug link names no place but a file. Limits of memory are libFuzzer's -rss_limit_mb and
// -malloc_limit_mb.
#include <elf.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <vector>

#include "symbolizer/build_id.h"
#include "symbolizer/debug_file.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/kernel_layout.h"
#include "symbolizer/mini_debug_info.h"
#include "symbolizer/plt_symbols.h"
#include "symbolizer/string_table.h"
#include "symbolizer/symbol_table.h"
#include "symbolizer/thread_variable.h"

using namespace kiln;
using namespace kiln::symbolizer;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

// Of an object file before linking.
void CheckRelocatable(const std::vector<std::byte>& bytes) {
  const StatusOr<ElfFile> elf = ElfFile::OpenRelocatable(MakeMemorySource(bytes));
  if (elf.ok()) {
    const StatusOr<KernelLayout> layout = ReadKernelLayout(*elf);
    if (layout.ok()) Check(elf->relocatable() ? !layout->sections.empty() : layout->text || layout->stext);
  }
  if (!elf.ok() || !elf->relocatable()) return;
  Check(elf->segments().empty());
  const StatusOr<SymbolTable> table = SymbolTable::Read(*elf);
  for (uint64_t address = 0; table.ok() && address < 0x1000; address += 0x10) (void)table->Lookup(ElfAddress(address));
}

// All that names code of the file, merged.
void CheckSources(const ElfFile& elf) {
  std::vector<const ElfFile*> files = {&elf};
  const StatusOr<std::optional<ElfFile>> inner = ReadMiniDebugInfo(elf);
  if (inner.ok() && *inner) files.push_back(&**inner);
  const std::vector<PltStub> stubs = ReadPltStubs(elf);
  for (size_t i = 0; i < stubs.size(); ++i) {
    Check(stubs[i].size > 0 && stubs[i].name.ends_with("@plt"));
    Check(i == 0 || stubs[i - 1].address <= stubs[i].address);
  }
  const SymbolSources sources = {.files = files, .stubs = stubs};
  const StatusOr<SymbolTable> table = SymbolTable::Read(sources);
  std::vector<uint64_t> addresses;
  for (uint64_t address = 0; address < 0x4000; address += 0x40) addresses.push_back(address);
  const StatusOr<SymbolTable> some = SymbolTable::ReadFor(sources, addresses);
  // They agree, but for symbols whose names are damaged: ReadFor.
  for (const uint64_t address : addresses) {
    if (table.ok()) Check(table->LookupRaw(ElfAddress(address)).size() <= kMaxSymbolNameBytes);
    if (some.ok()) Check(some->LookupRaw(ElfAddress(address)).size() <= kMaxSymbolNameBytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  CheckRelocatable(std::vector<std::byte>(bytes, bytes + size));
  const StatusOr<ElfFile> elf = ElfFile::Open(MakeMemorySource(std::vector<std::byte>(bytes, bytes + size)));
  if (!elf.ok()) {
    Check(MissFromStatus(elf.status()) != Miss::kNone && MissFromStatus(elf.status()) != Miss::kNoFile);
    return 0;
  }
  Check(elf->build_id().size() <= 2 * kMaxBuildIdBytes);
  (void)elf->FindSection(".symtab");
  for (const bool is_program : {false, true}) {
    const auto variable = FindThreadVariable(*elf, "kiln_test_variable", is_program);
    if (variable.ok()) Check(is_program == (variable->access == ThreadVariable::Access::kStatic));
  }
  if (const auto link = ReadDebugLink(*elf)) {
    Check(!link->name.empty() && link->name != ".." && link->name.find('/') == std::string::npos);
  }
  if (const auto link = ReadAltLink(*elf)) Check(!link->name.empty() && !link->build_id.empty());
  CheckSources(*elf);
  for (const ElfFile::Section& section : elf->sections()) {
    const auto content = elf->ReadSection(section, 1 << 20);
    if (content.ok() && !elf->IsCompressed(section)) Check(content->size() == section.size);
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
