// SPDX-License-Identifier: Apache-2.0
// KernelSymbols on any text, then symbols that come and go at addresses from the text.
#include <charconv>
#include <cstdint>
#include <string_view>

#include "symbolizer/kernel_symbols.h"

using namespace kiln;
using namespace kiln::symbolizer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  StatusOr<KernelSymbols> symbols = KernelSymbols::Parse(text);
  if (!symbols.ok()) return 0;
  bool add = true;
  while (!text.empty()) {
    const size_t line = std::min(text.find('\n'), text.size() - 1) + 1;
    uint64_t address = 0;
    std::from_chars(text.data(), text.data() + line, address, 16);
    for (const uint64_t probe : {address - 1, address, address + 1}) {
      const auto symbol = symbols->Lookup(ProcessAddress(probe));
      if (symbol && (symbol->name.empty() || symbol->start > probe)) std::abort();
    }
    if (add) {
      symbols->Add(ProcessAddress(address), line * 8, "added", "bpf");
      const auto symbol = symbols->Lookup(ProcessAddress(address));
      if (address != UINT64_MAX && (!symbol || symbol->name != "added")) std::abort();
    } else {
      symbols->Remove(ProcessAddress(address));
    }
    add = !add;
    text.remove_prefix(line);
  }
  return 0;
}
