// SPDX-License-Identifier: Apache-2.0
// The texts of /proc/PID/maps and /proc/PID/stat. Names in both are chosen by the process.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/process/mapping_table.h"
#include "agent/process/maps.h"
#include "agent/process/proc_stat.h"

using namespace kiln;
using namespace kiln::agent;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<Mapping> mappings = ParseMaps(text);
  for (const Mapping& mapping : mappings) {
    if (mapping.end <= mapping.start || mapping.path.size() > text.size()) std::abort();
    if (mapping.path.find('\n') != std::string::npos) std::abort();
  }
  const MappingTable table(mappings);
  if (table.size() > 2 * mappings.size()) std::abort();
  if (!mappings.empty() && table.Find(mappings.back().start) == nullptr) std::abort();
  if (ParseProcStat(text) && text.find(')') == std::string_view::npos) std::abort();
  return 0;
}
