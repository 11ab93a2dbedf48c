// SPDX-License-Identifier: Apache-2.0
// The whole way from an ELF file of any bytes to the pages of its unwind table. Pages have to be as the format says:
// what is found by address is what stands there.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <vector>

#include "symbolizer/elf_file.h"
#include "symbolizer/unwind/page_reader.h"
#include "symbolizer/unwind/row.h"
#include "symbolizer/unwind/unwind_table_builder.h"

using namespace kiln;
using namespace kiln::symbolizer;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

void CheckPage(const UnwindMachine& machine, const std::vector<uint32_t>& words) {
  Check(words.size() <= KILN_VALUE_WORDS);
  std::optional<uint32_t> last;
  const bool good = VisitRows(machine, words, [&](uint32_t offset, const kiln_rule& rule) {
    Check(last ? offset > *last : offset == 0);
    last = offset;
    const std::optional<kiln_rule> found = FindRow(machine, words, offset);
    Check(found && *found == rule);
  });
  Check(good && last);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // More pages would only take longer.
  constexpr uint32_t kMaxPages = 16;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const StatusOr<ElfFile> elf = ElfFile::Open(MakeMemorySource(std::vector<std::byte>(bytes, bytes + size)));
  if (!elf.ok()) return 0;
  const auto builder = UnwindTableBuilder::Open(*elf);
  if (!builder.ok()) return 0;
  UnwindTableBuilder& table = **builder;
  Check(table.page_count() >= 1 && table.page_count() <= kMaxTablePages);
  std::vector<uint32_t> words;
  for (uint32_t i = 0; i < table.page_count() && i < kMaxPages; ++i) {
    if (table.CompilePage(i, words)) {
      CheckPage(table.machine(), words);
    } else {
      Check(words.empty());
    }
  }
  return 0;
}
