// SPDX-License-Identifier: Apache-2.0
// Demangle on any name. libFuzzer's -timeout and -rss_limit_mb are part of the check: no name may cost seconds.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "symbolizer/demangle.h"

using namespace kiln::symbolizer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view name(reinterpret_cast<const char*>(data), size);
  const std::string demangled = Demangle(name);
  if (demangled.size() > std::max(kMaxDemangledBytes, name.size())) std::abort();
  if (demangled.empty() && !name.empty()) std::abort();
  if (demangled != Demangle(name)) std::abort();
  return 0;
}
