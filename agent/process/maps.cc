// SPDX-License-Identifier: Apache-2.0
#include "agent/process/maps.h"

#include <sys/sysmacros.h>

#include <charconv>

#include "base/file.h"

namespace kiln::agent {
namespace {

// vm.max_map_count is 65530 unless raised, a line about 100 bytes: room for ten times that.
constexpr size_t kMaxMapsBytes = 64 << 20;

bool TakeNumber(std::string_view& line, uint64_t& value, int base, char delimiter) {
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value, base);
  const auto used = static_cast<size_t>(end - line.data());
  if (error != std::errc() || used >= line.size() || *end != delimiter) return false;
  line.remove_prefix(used + 1);
  return true;
}

// 55d0c0a00000-55d0c0b00000 r-xp 00001000 fe:00 1234      /usr/bin/app
bool ParseLine(std::string_view line, Mapping& mapping) {
  uint64_t start = 0, end = 0, offset = 0, major = 0, minor = 0;
  if (!TakeNumber(line, start, 16, '-') || !TakeNumber(line, end, 16, ' ')) return false;
  if (line.size() < 5 || line[2] != 'x' || line[4] != ' ' || end <= start) return false;
  line.remove_prefix(5);
  if (!TakeNumber(line, offset, 16, ' ') || !TakeNumber(line, major, 16, ':') || !TakeNumber(line, minor, 16, ' ')) {
    return false;
  }
  const auto [inode_end, error] = std::from_chars(line.data(), line.data() + line.size(), mapping.inode);
  if (error != std::errc()) return false;
  line.remove_prefix(static_cast<size_t>(inode_end - line.data()));
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  mapping.start = ProcessAddress(start);
  mapping.end = ProcessAddress(end);
  mapping.offset = FileOffset(offset);
  mapping.device = mapping.inode == 0 ? 0 : makedev(static_cast<unsigned>(major), static_cast<unsigned>(minor));
  mapping.path = MappingPath(line);
  return true;
}

}  // namespace

std::string MappingPath(std::string_view printed) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (printed.ends_with(kDeleted)) printed.remove_suffix(kDeleted.size());
  if (printed.starts_with("//anon") || printed.starts_with("anon_inode:")) return "";
  return std::string(printed);
}

std::vector<Mapping> ParseMaps(std::string_view text) {
  std::vector<Mapping> mappings;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    Mapping mapping;
    if (ParseLine(text.substr(0, end), mapping)) mappings.push_back(std::move(mapping));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return mappings;
}

StatusOr<std::vector<Mapping>> ReadMapsFile(const std::string& path) {
  KILN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxMapsBytes));
  return ParseMaps(text);
}

StatusOr<std::vector<Mapping>> ReadMaps(Pid pid) { return ReadMapsFile(fmt::format("/proc/{}/maps", pid.value)); }

}  // namespace kiln::agent
