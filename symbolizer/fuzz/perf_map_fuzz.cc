// SPDX-License-Identifier: Apache-2.0
// PerfMap on any text; lookups around every number that it may have taken for an address.
#include <charconv>
#include <cstdint>
#include <string_view>

#include "symbolizer/perf_map.h"

using namespace kiln;
using namespace kiln::symbolizer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const StatusOr<PerfMap> map = PerfMap::Parse(text);
  if (!map.ok()) return 0;
  while (!text.empty()) {
    const size_t line = std::min(text.find('\n'), text.size() - 1) + 1;
    uint64_t address = 0;
    std::from_chars(text.data(), text.data() + line, address, 16);
    for (const uint64_t probe : {address - 1, address, address + 1}) {
      const Naming naming = map->Lookup(ProcessAddress(probe));
      if (naming.lines.empty() != (naming.miss == Miss::kNotCovered)) std::abort();
      if (!naming.lines.empty() && naming.lines[0].name.empty()) std::abort();
    }
    text.remove_prefix(line);
  }
  return 0;
}
