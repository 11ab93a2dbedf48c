// SPDX-License-Identifier: Apache-2.0
// A folder of pprof files, one per window, for people without a back end.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "exporters/settings.h"

namespace kiln::exporters {

// Thread-compatible.
class PprofFolder {
 public:
  // Makes the folder (mode 0755 less the umask) if it is missing; its parent must exist. Checks that it can be written
  // to.
  static StatusOr<PprofFolder> Open(std::string path, const FileSettings::Rotation& rotation);

  // Writes `pprof` as kiln-<time>-<n>.pb.gz: the time in RFC 3339 (2026-11-22T08:32:35Z; or local time with its
  // offset), n counts the files of one second from 1. A reader never sees a part of a file. Then deletes, with
  // rotation, its oldest files beyond max_backups, max_megabytes of all together, and max_days before `now_unix_nano`.
  Status Write(std::string_view pprof, int64_t time_unix_nano, int64_t now_unix_nano);

 private:
  PprofFolder(std::string path, const FileSettings::Rotation& rotation) : path_(std::move(path)), rotation_(rotation) {}
  void RemoveOld(int64_t now_unix_nano) const;

  std::string path_;
  FileSettings::Rotation rotation_;
};

}  // namespace kiln::exporters
