// SPDX-License-Identifier: Apache-2.0
#include "exporters/pprof_folder.h"

#include <absl/time/time.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "base/file.h"
#include "exporters/backups.h"

namespace kiln::exporters {
namespace {

constexpr std::string_view kPrefix = "kiln-";
constexpr std::string_view kSuffix = ".pb.gz";
constexpr int kMaxPerSecond = 10'000;

// "2026-11-22T08:32:35Z-1" -> the time; false if it is something else.
bool ParseTimeOfName(std::string_view name, absl::Time& time) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos) return false;
  return absl::ParseTime(absl::RFC3339_sec, absl::string_view(name.data(), dash), &time, nullptr);
}

}  // namespace

StatusOr<PprofFolder> PprofFolder::Open(std::string path, const FileSettings::Rotation& rotation) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoError(errno, "cannot make the folder {}", path);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return ErrnoError(errno, "cannot write into {}", path);
  if (!S_ISDIR(info.st_mode)) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "cannot write pprof files into {}: it is no folder (the format pprof makes one file per window)",
                 path);
  }
  KILN_RETURN_IF_ERROR(CheckWritable(path + "/kiln"));
  return PprofFolder(std::move(path), rotation);
}

Status PprofFolder::Write(std::string_view pprof, int64_t time_unix_nano, int64_t now_unix_nano) {
  std::string time;
  if (rotation_.localtime) {
    time = absl::FormatTime(absl::RFC3339_sec, absl::FromUnixNanos(time_unix_nano), absl::LocalTimeZone());
  } else {
    time = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixNanos(time_unix_nano), absl::UTCTimeZone());
  }
  std::string path;
  int number = 0;
  do {
    if (++number > kMaxPerSecond) {
      return Error(absl::StatusCode::kResourceExhausted, "there are {} files of {} in {} already", kMaxPerSecond, time,
                   path_);
    }
    path = fmt::format("{}/{}{}-{}{}", path_, kPrefix, time, number, kSuffix);
  } while (::access(path.c_str(), F_OK) == 0);
  KILN_RETURN_IF_ERROR(WriteFileAtomically(path, pprof));
  if (rotation_.enabled) RemoveOld(now_unix_nano);
  return absl::OkStatus();
}

// Only files of our own names are looked at. What can't be deleted now is tried again after the next window.
void PprofFolder::RemoveOld(int64_t now_unix_nano) const {
  std::vector<Backup> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    absl::Time time;
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) || name.size() < kPrefix.size() + kSuffix.size() ||
        !ParseTimeOfName(std::string_view(name).substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size()),
                         time)) {
      continue;
    }
    std::error_code no_size;
    const auto size = entry->file_size(no_size);
    files.push_back({path_ + "/" + name, absl::ToUnixNanos(time), no_size ? 0 : static_cast<int64_t>(size)});
  }
  const BackupLimits limits{rotation_.max_days, rotation_.max_backups, rotation_.max_megabytes << 20};
  for (const std::string& path : ExpiredBackups(std::move(files), limits, now_unix_nano)) ::unlink(path.c_str());
}

}  // namespace kiln::exporters
