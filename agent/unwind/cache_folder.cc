// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/cache_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <tuple>

namespace kiln::agent {
namespace {

constexpr std::string_view kNewPrefix = ".new-";
constexpr int64_t kLeftoverAgeNs = 3600 * int64_t{1'000'000'000};
constexpr mode_t kFolderMode = 0700, kFileMode = 0600;

int64_t MtimeOf(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + int64_t{info.st_mtim.tv_nsec};
}

// Errors show when the folder is opened.
void CreateFolders(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    ::mkdir(path.substr(0, slash).c_str(), kFolderMode);
  }
  ::mkdir(path.c_str(), kFolderMode);
}

}  // namespace

std::string DefaultCacheRoot(uid_t user, std::string_view xdg_cache_home, std::string_view home) {
  if (user == 0) return "/var/cache/kiln";
  if (xdg_cache_home.starts_with('/')) return fmt::format("{}/kiln", xdg_cache_home);
  if (home.starts_with('/')) return fmt::format("{}/.cache/kiln", home);
  return "";
}

CacheFolder::NewFile::~NewFile() {
  if (fd_.valid() && !name_.empty()) ::unlinkat(folder_, name_.c_str(), 0);
}

StatusOr<CacheFolder> CacheFolder::Open(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("no folder is named");
  CreateFolders(path);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() && errno == ENOTDIR && ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
    return Error(absl::StatusCode::kFailedPrecondition, "{} is a symbolic link: name the folder that it leads to",
                 path);
  }
  if (!fd.valid()) return ErrnoError(errno, "cannot open the folder {}", path);
  if (::fstat(fd.get(), &info) != 0) return ErrnoError(errno, "cannot stat {}", path);
  if (info.st_uid != ::geteuid()) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "{} belongs to user {} and not to user {}, who runs kiln: remove it or name another folder", path,
                 info.st_uid, ::geteuid());
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "others may write to {} (mode {:04o}): empty it and take that right away (chmod go-w)", path,
                 info.st_mode & 07777);
  }
  return CacheFolder(std::move(fd));
}

StatusOr<File> CacheFolder::OpenFile(std::string_view name) const {
  KILN_ASSIGN_OR_RETURN(File file, File::Open(fmt::format("/proc/self/fd/{}/{}", fd_.get(), name)));
  // On a file system that is read-only the order of use is lost, nothing else.
  ::futimens(file.fd(), nullptr);
  return file;
}

StatusOr<CacheFolder::NewFile> CacheFolder::Create() const {
  for (;;) {
    uint64_t number = 0;
    if (::getrandom(&number, sizeof(number), 0) != sizeof(number)) {
      return ErrnoError(errno, "cannot get a random number");
    }
    std::string name = fmt::format("{}{:016x}", kNewPrefix, number);
    UniqueFd fd(::openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
    if (fd.valid()) return NewFile(std::move(fd), fd_.get(), std::move(name));
    if (errno != EEXIST) return ErrnoError(errno, "cannot create a file");
  }
}

Status CacheFolder::Publish(NewFile& file, const std::string& name) const {
  if (::renameat(fd_.get(), file.name_.c_str(), fd_.get(), name.c_str()) != 0) {
    return ErrnoError(errno, "cannot rename a file to {}", name);
  }
  file.name_.clear();
  return absl::OkStatus();
}

bool CacheFolder::Remove(const std::string& name) const { return ::unlinkat(fd_.get(), name.c_str(), 0) == 0; }

StatusOr<std::vector<CacheFolder::Entry>> CacheFolder::List(std::string_view suffix) const {
  KILN_ASSIGN_OR_RETURN(std::vector<Entry> entries, ListAll());
  std::erase_if(
      entries, [&](const Entry& entry) { return !entry.name.ends_with(suffix) || entry.name.starts_with(kNewPrefix); });
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.mtime_ns, a.name) < std::tie(b.mtime_ns, b.name); });
  return entries;
}

StatusOr<size_t> CacheFolder::RemoveLeftovers(const NewFile& now) const {
  // The clock is that of the file system, whoever keeps it.
  struct stat info {};
  if (::fstat(now.fd(), &info) != 0) return ErrnoError(errno, "cannot stat a new file");
  KILN_ASSIGN_OR_RETURN(const std::vector<Entry> entries, ListAll());
  size_t removed = 0;
  for (const Entry& entry : entries) {
    const bool old = entry.mtime_ns < MtimeOf(info) - kLeftoverAgeNs;
    if (old && entry.name.starts_with(kNewPrefix) && Remove(entry.name)) ++removed;
  }
  return removed;
}

StatusOr<std::vector<CacheFolder::Entry>> CacheFolder::ListAll() const {
  UniqueFd fd(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, "cannot open the folder");
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(fd.get()), ::closedir);
  if (folder == nullptr) return ErrnoError(errno, "cannot read the folder");
  fd.Release();
  std::vector<Entry> entries;
  for (;;) {
    errno = 0;
    const dirent* found = ::readdir(folder.get());
    if (found == nullptr) break;
    struct stat info {};
    // Gone meanwhile, or none of ours.
    if (::fstatat(fd_.get(), found->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) continue;
    entries.push_back({.name = found->d_name, .bytes = static_cast<uint64_t>(info.st_size), .mtime_ns = MtimeOf(info)});
  }
  if (errno != 0) return ErrnoError(errno, "cannot read the folder");
  return entries;
}

}  // namespace kiln::agent
