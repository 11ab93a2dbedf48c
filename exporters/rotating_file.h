// SPDX-License-Identifier: Apache-2.0
// A file that records are appended to, whole or not at all, and that is rotated.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/file.h"
#include "base/status.h"

namespace kiln::exporters {

struct RotatingFileOptions {
  std::string path;
  bool append = false;      // keep what the file holds; with rotation that is always so
  bool text_lines = false;  // a file that does not end with a line break gets one before the first record
  struct Rotation {
    bool enabled = false;
    int64_t max_bytes = 0;    // a file that would become larger is set aside first; 0 = no limit
    int64_t max_days = 0;     // backups older than this go; 0 = none
    int64_t max_backups = 0;  // all but the newest go; 0 = none
    bool localtime = false;   // times in names of backups; else UTC
  } rotation;
};

// Backups stand beside the file, named by the time at which they were set aside: x.json becomes
// x-2026-11-22T08-32-35.000.json (as the library lumberjack, which the Collector's file exporter uses, names them).
//
// A file that somebody else renamed or deleted (logrotate) is noticed before the next record and made anew. One that
// somebody truncated is written on from its new end. Nobody else may write to it. Thread-compatible.
class RotatingFile {
 public:
  // `unix_nano` is the wall clock. Opens the file, which is made (mode 0600) if there is none; its folder must exist.
  static StatusOr<RotatingFile> Open(RotatingFileOptions options, std::function<int64_t()> unix_nano);

  // Appends the record. On an error nothing of it is left in the file (should even taking it back fail, the message
  // says so), and the same may be tried again. A record larger than max_bytes gets a file of its own.
  Status Append(std::string_view record);

 private:
  RotatingFile(RotatingFileOptions options, std::function<int64_t()> unix_nano)
      : options_(std::move(options)), unix_nano_(std::move(unix_nano)) {}

  Status OpenFile(bool truncate);
  Status ReopenIfReplaced();
  Status Rotate();
  void RemoveOldBackups() const;
  Status WriteRecord(std::string_view record);

  RotatingFileOptions options_;
  std::function<int64_t()> unix_nano_;
  UniqueFd fd_;
  FileIdentity identity_;
};

}  // namespace kiln::exporters
