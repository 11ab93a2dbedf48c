// SPDX-License-Identifier: Apache-2.0
#include "base/root_folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <string_view>

#include "base/fd.h"

namespace kiln {
namespace {

// `path` below the folder `root`, one name after the other, without symbolic links and "..". For seccomp filters that
// refuse openat2(2). -1 and errno on failure.
int OpenStepByStep(int root, std::string_view path) {
  UniqueFd at(::fcntl(root, F_DUPFD_CLOEXEC, 0));
  while (at.valid() && !path.empty()) {
    const std::string name(path.substr(0, path.find('/')));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      errno = EXDEV;
      return -1;
    }
    const int type = path.empty() ? 0 : O_DIRECTORY;
    at = UniqueFd(::openat(at.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC | type));
  }
  return at.Release();
}

// As many as the system follows.
constexpr int kMaxLinks = 40;

int OpenBelow(int root, const std::string& path, uint64_t further_flags = 0) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | further_flags;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how));
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(fd);
  return OpenStepByStep(root, path);
}

}  // namespace

StatusOr<File> OpenInRoot(const std::string& root, const std::string& path) {
  const UniqueFd folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoError(errno, "cannot open {}", root);
  const UniqueFd place(OpenBelow(folder.get(), path));
  if (!place.valid()) return ErrnoError(errno, "cannot open {} in {}", path, root);
  StatusOr<File> file = File::Open(fmt::format("/proc/self/fd/{}", place.get()));
  if (!file.ok()) return Annotate(file.status(), fmt::format("{} in {}", path, root));
  return file;
}

std::string FollowLinksInRoot(const std::string& root, const std::string& path) {
  const UniqueFd folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return path;
  std::string at = path;
  for (int i = 0; i < kMaxLinks; ++i) {
    const UniqueFd place(OpenBelow(folder.get(), at, O_NOFOLLOW));
    std::array<char, PATH_MAX> target;
    const ssize_t size = place.valid() ? ::readlinkat(place.get(), "", target.data(), target.size()) : -1;
    if (size <= 0) return place.valid() ? at : path;  // no link: that is where they end
    const std::string_view text(target.data(), static_cast<size_t>(size));
    if (text.starts_with('/')) {
      at = text;
    } else {
      const size_t slash = at.rfind('/');
      at = fmt::format("{}{}", slash == std::string::npos ? "" : at.substr(0, slash + 1), text);
    }
    if (at.size() >= PATH_MAX) return path;
  }
  return path;
}

}  // namespace kiln
