// SPDX-License-Identifier: Apache-2.0
// Files set aside by rotation: their names, and which of them go.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::exporters {

// A file of a folder that rotation may delete.
struct Backup {
  std::string path;
  int64_t unix_nano = 0;  // how old it is goes by this
  int64_t bytes = 0;
};

struct BackupLimits {
  int64_t max_days = 0;  // each 0 = no limit
  int64_t max_backups = 0;
  int64_t max_bytes = 0;  // of all together; the newest one may be larger alone
};

// The paths of those that go: all but the newest that keep the limits together.
std::vector<std::string> ExpiredBackups(std::vector<Backup> backups, const BackupLimits& limits, int64_t now_unix_nano);

// The backup name for `path` ("/a/x.json") at a time: "/a/x-2026-11-22T08-32-35.000.json".
std::string BackupPath(std::string_view path, int64_t unix_nano, bool localtime);

// The backups of `path` that exist; the time is the name's. Files with other names are not among them.
std::vector<Backup> FindBackups(const std::string& path, bool localtime);

}  // namespace kiln::exporters
