// SPDX-License-Identifier: Apache-2.0
#include "pipeline/storage_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "base/fd.h"

namespace kiln::pipeline {
namespace {

constexpr size_t kMaxNameBytes = 150;  // a file name may have 255, companions and hash included
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

Status MakeDirectories(const std::filesystem::path& directory) {
  std::filesystem::path made;
  for (const auto& part : directory) {
    made /= part;
    if (::mkdir(made.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
      const int error_number = errno;
      // Whoever may not write above may still find the rest in place (a read-only root, a mounted volume).
      struct stat info {};
      if (::stat(made.c_str(), &info) == 0) continue;
      return ErrnoError(error_number, "cannot create the directory {} for file_storage", made.string());
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string StorageFileName(std::string_view exporter_id, Signal signal) {
  std::string name = "exporter_";
  for (const char c : exporter_id) {
    if (IsPlain(c)) {
      name += c;
    } else {
      name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  // '~' can't come from an id, so a cut one never meets a whole one.
  if (name.size() > kMaxNameBytes) {
    name.resize(kMaxNameBytes);
    name += fmt::format("~{:016x}", XXH3_64bits(exporter_id.data(), exporter_id.size()));
  }
  return fmt::format("{}_{}.db", name, SignalName(signal));
}

StatusOr<std::string> PrepareStorageFile(const FileStorageSettings& settings, std::string_view exporter_id,
                                         Signal signal) {
  const std::string& directory = settings.directory;
  if (directory.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "file_storage has no directory: set `directory`");
  }
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) {
    const int error_number = errno;
    if (error_number != ENOENT)
      return ErrnoError(error_number, "cannot use the directory {} for file_storage", directory);
    if (!settings.create_directory) {
      return Error(absl::StatusCode::kNotFound,
                   "the directory {} of file_storage does not exist: create it or set `create_directory: true`",
                   directory);
    }
    KILN_RETURN_IF_ERROR(MakeDirectories(directory));
  } else if (!S_ISDIR(info.st_mode)) {
    return Error(absl::StatusCode::kInvalidArgument, "{} is no directory, so file_storage cannot use it", directory);
  }
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(directory.c_str(), nullptr), &std::free);
  if (real == nullptr) return ErrnoError(errno, "cannot use the directory {} for file_storage", directory);
  return fmt::format("{}/{}", real.get(), StorageFileName(exporter_id, signal));
}

Status EnsurePrivateFile(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (fd.valid()) return absl::OkStatus();
  if (errno != EEXIST) return ErrnoError(errno, "cannot create {}", path);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return ErrnoError(errno, "cannot use {}", path);
  if (!S_ISREG(info.st_mode)) {
    return Error(absl::StatusCode::kFailedPrecondition, "{} is not a regular file: move it away", path);
  }
  if ((info.st_mode & kOthers) != 0 && ::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0) {
    return ErrnoError(errno, "cannot keep others from reading {}", path);
  }
  return absl::OkStatus();
}

StatusOr<std::string> SetAsideFile(const std::string& path) {
  std::string aside = path + ".corrupt";
  if (::rename(path.c_str(), aside.c_str()) != 0) return ErrnoError(errno, "cannot rename {} to {}", path, aside);
  for (const char* suffix : {"-wal", "-journal", "-shm"}) {
    const std::string to = aside + suffix;
    if (::rename((path + suffix).c_str(), to.c_str()) != 0) ::unlink(to.c_str());
  }
  return aside;
}

}  // namespace kiln::pipeline
