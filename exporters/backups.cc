// SPDX-License-Identifier: Apache-2.0
#include "exporters/backups.h"

#include <absl/time/time.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace kiln::exporters {
namespace {

constexpr char kTimeFormat[] = "%Y-%m-%dT%H-%M-%E3S";
constexpr int64_t kDayNs = int64_t{86'400} * 1'000'000'000;

absl::TimeZone Zone(bool localtime) { return localtime ? absl::LocalTimeZone() : absl::UTCTimeZone(); }

// "/a/x.json" -> "/a/", "x", ".json"; a name that begins with its only dot has no extension.
struct PathParts {
  std::string_view folder, stem, extension;
};
PathParts Split(std::string_view path) {
  const size_t slash = path.rfind('/');
  const size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
  const std::string_view name = path.substr(begin);
  const size_t dot = name.rfind('.');
  const size_t end = dot == std::string_view::npos || dot == 0 ? name.size() : dot;
  return {path.substr(0, begin), name.substr(0, end), name.substr(end)};
}

}  // namespace

std::vector<std::string> ExpiredBackups(std::vector<Backup> backups, const BackupLimits& limits,
                                        int64_t now_unix_nano) {
  std::ranges::sort(backups, [](const Backup& a, const Backup& b) {
    return std::pair(a.unix_nano, a.path) > std::pair(b.unix_nano, b.path);
  });
  std::vector<std::string> expired;
  int64_t bytes = 0;
  for (size_t i = 0; i < backups.size(); ++i) {
    const Backup& backup = backups[i];
    bytes += backup.bytes;
    const bool old = limits.max_days > 0 && (now_unix_nano - backup.unix_nano) / kDayNs >= limits.max_days;
    const bool many = limits.max_backups > 0 && i >= static_cast<size_t>(limits.max_backups);
    const bool large = limits.max_bytes > 0 && i > 0 && bytes > limits.max_bytes;
    if (old || many || large) expired.push_back(backup.path);
  }
  return expired;
}

std::string BackupPath(std::string_view path, int64_t unix_nano, bool localtime) {
  const PathParts parts = Split(path);
  const std::string time = absl::FormatTime(kTimeFormat, absl::FromUnixNanos(unix_nano), Zone(localtime));
  return std::string(parts.folder) + std::string(parts.stem) + "-" + time + std::string(parts.extension);
}

std::vector<Backup> FindBackups(const std::string& path, bool localtime) {
  const PathParts parts = Split(path);
  const std::string prefix = std::string(parts.stem) + "-";
  std::vector<Backup> found;
  std::error_code error;
  const std::filesystem::path folder = parts.folder.empty() ? "." : std::string(parts.folder);
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (name.size() <= prefix.size() + parts.extension.size() || !name.starts_with(prefix) ||
        !name.ends_with(parts.extension)) {
      continue;
    }
    const std::string middle = name.substr(prefix.size(), name.size() - prefix.size() - parts.extension.size());
    absl::Time time;
    if (!absl::ParseTime(kTimeFormat, middle, Zone(localtime), &time, nullptr)) continue;
    std::error_code no_size;
    const auto size = entry->file_size(no_size);
    found.push_back(
        {std::string(parts.folder) + name, absl::ToUnixNanos(time), no_size ? 0 : static_cast<int64_t>(size)});
  }
  return found;
}

}  // namespace kiln::exporters
