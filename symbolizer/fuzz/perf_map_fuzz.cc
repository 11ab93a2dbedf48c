// SPDX-License-Identifier: Apache-2.0
// PerfMap on any text, at once and from a file that grows; lookups around every number that it may have taken for an
// address.
#include <sys/mman.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "symbolizer/perf_map.h"

using namespace kiln;
using namespace kiln::symbolizer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const StatusOr<PerfMap> map = PerfMap::Parse(text);
  if (!map.ok()) return 0;

  const UniqueFd fd(::memfd_create("perf_map", MFD_CLOEXEC));
  const StatusOr<File> file = File::Open("/proc/self/fd/" + std::to_string(fd.get()));
  if (!file.ok()) std::abort();
  PerfMap growing;
  for (const std::string_view part : {text.substr(0, size / 2), text.substr(size / 2)}) {
    if (::write(fd.get(), part.data(), part.size()) != static_cast<ssize_t>(part.size())) std::abort();
    if (!growing.Update(*file).ok()) return 0;  // of something else
  }
  if (growing.size() != map->size() || growing.damaged_lines() != map->damaged_lines()) std::abort();

  while (!text.empty()) {
    const size_t line = std::min(text.find('\n'), text.size() - 1) + 1;
    uint64_t address = 0;
    std::from_chars(text.data(), text.data() + line, address, 16);
    for (const uint64_t probe : {address - 1, address, address + 1}) {
      const Naming naming = map->Lookup(ProcessAddress(probe));
      if (naming.lines.empty() != (naming.miss == Miss::kNotCovered)) std::abort();
      if (!naming.lines.empty() && naming.lines[0].name.empty()) std::abort();
      if (growing.Lookup(ProcessAddress(probe)).lines != naming.lines) std::abort();
    }
    text.remove_prefix(line);
  }
  return 0;
}
