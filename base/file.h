// SPDX-License-Identifier: Apache-2.0
// Reading and writing files that others may own.
//
// Object files are read with pread, never mapped: whoever may truncate a mapped file can kill kiln by SIGBUS. Every
// read names its limit, so that a pipe, /dev/zero or a sparse terabyte costs no more than the limit.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/fd.h"
#include "base/status.h"

namespace kiln {

// Which file, independent of its name: the same numbers as in /proc/PID/maps and PERF_RECORD_MMAP2.
struct FileIdentity {
  uint64_t device = 0;  // as MAKEDEV(major, minor) of the kernel's s_dev
  uint64_t inode = 0;
  friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const FileIdentity& id) {
    return H::combine(std::move(hash), id.device, id.inode);
  }
};

// An open regular file. Const methods are thread-safe (pread has no shared position).
class File {
 public:
  // Opens for reading; anything but a regular file is an error and is not opened at all, not even for a moment.
  static StatusOr<File> Open(const std::string& path);

  FileIdentity identity() const { return {.device = stat_.st_dev, .inode = stat_.st_ino}; }
  uint64_t size() const { return static_cast<uint64_t>(stat_.st_size); }
  const struct stat& stat() const { return stat_; }
  int fd() const { return fd_.get(); }

  // Fills `out` completely from `offset`, or fails (kOutOfRange when the file ends before).
  Status ReadAt(FileOffset offset, std::span<std::byte> out) const;

 private:
  File(UniqueFd fd, const struct stat& info) : fd_(std::move(fd)), stat_(info) {}
  UniqueFd fd_;
  struct stat stat_ {};
};

// A whole small file, of any type that read(2) serves (/proc and /sys files too). kResourceExhausted if it is larger
// than `limit_bytes`.
StatusOr<std::string> ReadFile(const std::string& path, size_t limit_bytes);

// Writes to a new file beside `path` and renames it over: a reader sees the old or the new content, never a part.
// Mode 0644 less the umask. If `path` exists and is no regular file (/dev/stdout, a FIFO) it is written in place.
Status WriteFileAtomically(const std::string& path, std::string_view content);

// OK if `path` could be written by WriteFileAtomically now; leaves nothing behind. The message names the path and the
// reason.
Status CheckWritable(const std::string& path);

}  // namespace kiln
