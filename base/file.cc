// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "base/lines.h"

namespace kiln {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status WriteAll(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoError(errno, "cannot write {}", path);
    }
    content.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

bool IsSpecialFile(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

// An empty temporary file beside `path`; its name goes to `name`.
StatusOr<UniqueFd> CreateBeside(const std::string& path, std::string& name) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return Error(absl::StatusCode::kInvalidArgument, "cannot write {}: it is a directory", path);
  }
  name = path + ".XXXXXX";
  UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd.valid()) {
    const int error_number = errno;
    if (error_number == ENOENT) {
      return Error(absl::StatusCode::kNotFound, "cannot write {}: the folder {} does not exist", path,
                   DirectoryOf(path));
    }
    return ErrnoError(error_number, "cannot write {}", path);
  }
  return fd;
}

}  // namespace

StatusOr<File> File::Open(const std::string& path) {
  // Looked at before it is opened: opening alone makes a device act (a watchdog starts to count, a tape rewinds), and
  // the path may lead there by a symbolic link of somebody else's.
  UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place.valid()) return ErrnoError(errno, "cannot open {}", path);
  struct stat info {};
  if (::fstat(place.get(), &info) != 0) return ErrnoError(errno, "cannot stat {}", path);
  if (!S_ISREG(info.st_mode)) {
    return Error(absl::StatusCode::kInvalidArgument, "{} is not a regular file", path);
  }
  UniqueFd fd(::open(fmt::format("/proc/self/fd/{}", place.get()).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return ErrnoError(errno, "cannot open {}", path);
  return File(std::move(fd), info);
}

Status File::ReadAt(FileOffset offset, std::span<std::byte> out) const {
  uint64_t position = offset.value();
  while (!out.empty()) {
    if (position > static_cast<uint64_t>(INT64_MAX)) return absl::OutOfRangeError("offset beyond any file");
    const ssize_t count = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(position));
    if (count < 0) {
      if (errno == EINTR) continue;
      return ErrnoError(errno, "cannot read at offset {}", position);
    }
    if (count == 0) return Error(absl::StatusCode::kOutOfRange, "the file ends before offset {}", position + 1);
    out = out.subspan(static_cast<size_t>(count));
    position += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

StatusOr<std::string> ReadFile(const std::string& path, size_t limit_bytes) {
  std::string content;
  KILN_RETURN_IF_ERROR(ForEachPiece(path, limit_bytes, [&content](std::string_view piece) {
    content.append(piece);
    return absl::OkStatus();
  }));
  return content;
}

Status WriteFileAtomically(const std::string& path, std::string_view content) {
  if (IsSpecialFile(path)) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd.valid()) return ErrnoError(errno, "cannot write {}", path);
    return WriteAll(fd.get(), content, path);
  }
  std::string name;
  KILN_ASSIGN_OR_RETURN(UniqueFd fd, CreateBeside(path, name));
  Status status = WriteAll(fd.get(), content, path);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (status.ok() && ::fchmod(fd.get(), 0666 & ~mask) != 0) status = ErrnoError(errno, "cannot write {}", path);
  if (status.ok() && ::rename(name.c_str(), path.c_str()) != 0) status = ErrnoError(errno, "cannot write {}", path);
  if (!status.ok()) ::unlink(name.c_str());
  return status;
}

Status CheckWritable(const std::string& path) {
  if (IsSpecialFile(path)) {
    if (::access(path.c_str(), W_OK) != 0) return ErrnoError(errno, "cannot write {}", path);
    return absl::OkStatus();
  }
  std::string name;
  KILN_ASSIGN_OR_RETURN(UniqueFd fd, CreateBeside(path, name));
  ::unlink(name.c_str());
  return absl::OkStatus();
}

}  // namespace kiln
