// SPDX-License-Identifier: Apache-2.0
#include "base/net/watched_file.h"

#include "base/clock.h"
#include "base/file.h"

namespace kiln {
namespace {

// Longer than the ticks of any file system's time stamps (2 s on FAT).
constexpr int64_t kSettledAfterNs = 3'000'000'000;

int64_t ToNs(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

bool Same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size && ToNs(a.st_mtim) == ToNs(b.st_mtim) &&
         ToNs(a.st_ctim) == ToNs(b.st_ctim);
}

}  // namespace

StatusOr<bool> WatchedFile::Refresh() {
  struct stat now {};
  if (known_ && settled_ && ::stat(path_.c_str(), &now) == 0 && Same(now, stat_)) return false;
  KILN_ASSIGN_OR_RETURN(const File file, File::Open(path_));
  if (file.size() > limit_bytes_) {
    return Error(absl::StatusCode::kResourceExhausted, "{} has {} bytes, at most {} are read", path_, file.size(),
                 limit_bytes_);
  }
  std::string content(file.size(), '\0');
  if (const Status read = file.ReadAt(FileOffset{0}, std::as_writable_bytes(std::span(content))); !read.ok())
    return Annotate(read, path_);
  const bool changed = !known_ || content != content_;
  content_ = std::move(content);
  stat_ = file.stat();
  known_ = true;
  settled_ = UnixNs() - std::max(ToNs(stat_.st_mtim), ToNs(stat_.st_ctim)) > kSettledAfterNs;
  return changed;
}

}  // namespace kiln
