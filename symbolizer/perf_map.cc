// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/perf_map.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "symbolizer/demangle.h"
#include "symbolizer/string_table.h"

namespace kiln::symbolizer {
namespace {

// Takes a hexadecimal number, with or without 0x, and the blanks behind it.
bool TakeHex(std::string_view& text, uint64_t& value) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  const auto [after, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(after - text.data()));
  const size_t blanks = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(blanks);
  return blanks != 0;
}

}  // namespace

StatusOr<PerfMap> PerfMap::Parse(std::string_view text) {
  if (text.size() > kMaxPerfMapBytes) {
    return Error(absl::StatusCode::kResourceExhausted, "a perf map of {} bytes; the limit is {}", text.size(),
                 kMaxPerfMapBytes);
  }
  PerfMap map;
  NamePool all_names;
  std::vector<IntervalMap::Range> ranges;
  for (size_t newline; (newline = text.find('\n')) != std::string_view::npos; text.remove_prefix(newline + 1)) {
    std::string_view line = text.substr(0, newline);
    if (line.ends_with('\r')) line.remove_suffix(1);
    uint64_t start = 0;
    uint64_t size = 0;
    const bool good = TakeHex(line, start) && TakeHex(line, size) && size != 0 && start <= UINT64_MAX - size;
    const uint32_t name = good ? all_names.Add(line.substr(0, kMaxSymbolNameBytes)) : 0;
    if (name == 0) {
      ++map.damaged_lines_;
      continue;
    }
    ranges.push_back({.start = start, .end = start + size, .value = name});
  }
  map.size_ = ranges.size();
  map.functions_ = NamedIntervals(ranges, all_names);
  return map;
}

StatusOr<PerfMap> PerfMap::Read(const File& file, size_t limit_bytes) {
  struct stat now {};
  if (::fstat(file.fd(), &now) != 0) return ErrnoError(errno, "cannot stat the perf map");
  const auto size = static_cast<uint64_t>(now.st_size);
  if (size > limit_bytes) {
    return Error(absl::StatusCode::kResourceExhausted, "a perf map of {} bytes; the limit is {}", size, limit_bytes);
  }
  std::string text(size, '\0');
  KILN_RETURN_IF_ERROR(file.ReadAt(FileOffset(0), std::as_writable_bytes(std::span(text))));
  return Parse(text);
}

Naming PerfMap::Lookup(ProcessAddress address) const {
  const std::string_view name = functions_.Find(address.value());
  if (name.empty()) return MissOf(Miss::kNotCovered);
  if (IsMangled(name)) return NamingOf(name);
  Naming naming;
  naming.lines.push_back({.name = std::string(name)});
  return naming;
}

}  // namespace kiln::symbolizer
