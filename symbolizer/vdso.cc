// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/vdso.h"

#include <sys/auxv.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace kiln::symbolizer {
namespace {

constexpr size_t kMaxMapsBytes = 64 << 20;
constexpr uint64_t kMaxVdsoBytes = 1 << 20;  // real ones have one to four pages

// The end of the mapping that starts at `start`; 0 if there is none.
uint64_t EndOfMapping(std::string_view maps, uint64_t start) {
  while (!maps.empty()) {
    const size_t newline = std::min(maps.find('\n'), maps.size());
    const char* end_of_line = maps.data() + newline;
    uint64_t from = 0;
    uint64_t to = 0;
    const auto dash = std::from_chars(maps.data(), end_of_line, from, 16);
    if (from == start && dash.ptr != end_of_line && *dash.ptr == '-') {
      std::from_chars(dash.ptr + 1, end_of_line, to, 16);
      return to;
    }
    maps.remove_prefix(std::min(newline + 1, maps.size()));
  }
  return 0;
}

}  // namespace

StatusOr<ElfFile> ReadVdso() {
  const uint64_t start = ::getauxval(AT_SYSINFO_EHDR);
  if (start == 0) return Error(absl::StatusCode::kNotFound, "this kernel has no vDSO");
  KILN_ASSIGN_OR_RETURN(const std::string maps, ReadFile("/proc/self/maps", kMaxMapsBytes));
  const uint64_t end = EndOfMapping(maps, start);
  if (end <= start || end - start > kMaxVdsoBytes) {
    return Error(absl::StatusCode::kNotFound, "the vDSO is not in /proc/self/maps");
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(start);
  return ElfFile::Open(MakeMemorySource(std::vector<std::byte>(bytes, bytes + (end - start))));
}

}  // namespace kiln::symbolizer
