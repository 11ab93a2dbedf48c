// SPDX-License-Identifier: Apache-2.0
#include "exporters/rotating_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporters/backups.h"

namespace kiln::exporters {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

FileIdentity IdentityOf(const struct stat& info) { return {.device = info.st_dev, .inode = info.st_ino}; }

}  // namespace

StatusOr<RotatingFile> RotatingFile::Open(RotatingFileOptions options, std::function<int64_t()> unix_nano) {
  RotatingFile file(std::move(options), std::move(unix_nano));
  KILN_RETURN_IF_ERROR(file.OpenFile(/*truncate=*/!file.options_.append && !file.options_.rotation.enabled));
  if (file.options_.rotation.enabled) file.RemoveOldBackups();
  return file;
}

Status RotatingFile::OpenFile(bool truncate) {
  const int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (truncate ? O_TRUNC : 0);
  UniqueFd fd(::open(options_.path.c_str(), flags, 0600));
  if (!fd.valid()) return ErrnoError(errno, "cannot open {}", options_.path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return ErrnoError(errno, "cannot open {}", options_.path);
  if (!S_ISREG(info.st_mode)) {
    return Error(absl::StatusCode::kFailedPrecondition, "cannot write to {}: it is no regular file", options_.path);
  }
  char last = '\n';
  if (options_.text_lines && info.st_size > 0 && ::pread(fd.get(), &last, 1, info.st_size - 1) == 1 && last != '\n' &&
      ::write(fd.get(), "\n", 1) != 1) {
    return ErrnoError(errno, "cannot write to {}", options_.path);
  }
  fd_ = std::move(fd);
  identity_ = IdentityOf(info);
  return absl::OkStatus();
}

Status RotatingFile::ReopenIfReplaced() {
  struct stat info {};
  if (fd_.valid() && ::stat(options_.path.c_str(), &info) == 0 && IdentityOf(info) == identity_) {
    return absl::OkStatus();
  }
  fd_.Reset();
  return OpenFile(/*truncate=*/false);
}

Status RotatingFile::Rotate() {
  const int64_t now = unix_nano_();
  std::string backup;
  // Two in one millisecond must not overwrite each other.
  for (int64_t later = 0; later < 1000; ++later) {
    backup = BackupPath(options_.path, now + later * kMillisecond, options_.rotation.localtime);
    if (::access(backup.c_str(), F_OK) != 0) break;
  }
  if (::rename(options_.path.c_str(), backup.c_str()) != 0) {
    return ErrnoError(errno, "cannot set {} aside as {}", options_.path, backup);
  }
  fd_.Reset();
  KILN_RETURN_IF_ERROR(OpenFile(/*truncate=*/false));
  RemoveOldBackups();
  return absl::OkStatus();
}

// What can't be deleted now is tried again at the next rotation.
void RotatingFile::RemoveOldBackups() const {
  const BackupLimits limits{options_.rotation.max_days, options_.rotation.max_backups, 0};
  auto backups = FindBackups(options_.path, options_.rotation.localtime);
  for (const std::string& path : ExpiredBackups(std::move(backups), limits, unix_nano_())) ::unlink(path.c_str());
}

Status RotatingFile::WriteRecord(std::string_view record) {
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0) return ErrnoError(errno, "cannot write to {}", options_.path);
  size_t done = 0;
  while (done < record.size()) {
    const ssize_t count = ::write(fd_.get(), record.data() + done, record.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count > 0) {
      done += static_cast<size_t>(count);
      continue;
    }
    const int error = count == 0 ? ENOSPC : errno;
    Status status = ErrnoError(error, "cannot write to {}", options_.path);
    if (done > 0 && ::ftruncate(fd_.get(), info.st_size) != 0) {
      status = Annotate(status, fmt::format("{} bytes of a record are left at the end of {}", done, options_.path));
    }
    return status;
  }
  return absl::OkStatus();
}

Status RotatingFile::Append(std::string_view record) {
  KILN_RETURN_IF_ERROR(ReopenIfReplaced());
  const RotatingFileOptions::Rotation& rotation = options_.rotation;
  if (rotation.enabled && rotation.max_bytes > 0) {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return ErrnoError(errno, "cannot write to {}", options_.path);
    const auto size = static_cast<int64_t>(info.st_size);
    if (size > 0 && size + static_cast<int64_t>(record.size()) > rotation.max_bytes) KILN_RETURN_IF_ERROR(Rotate());
  }
  return WriteRecord(record);
}

}  // namespace kiln::exporters
