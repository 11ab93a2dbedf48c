// SPDX-License-Identifier: Apache-2.0
#include "agent/session/environment.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "agent/symbols/index_cache.h"
#include "agent/unwind/table_cache.h"

namespace kiln::agent {

Status CheckPidNamespace() {
  std::array<char, 64> target{};
  const ssize_t length = ::readlink("/proc/self/ns/pid", target.data(), target.size());
  if (length <= 0 || std::string_view(target.data(), static_cast<size_t>(length)) == "pid:[4026531836]") {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "kiln runs in a pid namespace of its own, where the host's processes have other numbers: give the container the "
      "host's (docker run --pid=host, hostPID: true)");
}

void RaiseOpenFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

namespace {

std::string CacheFolderNamed(const std::string& option, std::string_view name) {
  if (option == "none") return "";
  if (!option.empty()) return option;
  const auto variable = [](const char* key) {
    const char* value = std::getenv(key);
    return std::string_view(value != nullptr ? value : "");
  };
  // A service of systemd's has a folder of its own.
  if (const std::string_view folder = variable("CACHE_DIRECTORY"); !folder.empty()) {
    return fmt::format("{}/{}", folder.substr(0, folder.find(':')), name);
  }
  const std::string root = DefaultCacheRoot(::geteuid(), variable("XDG_CACHE_HOME"), variable("HOME"));
  return root.empty() ? "" : fmt::format("{}/{}", root, name);
}

}  // namespace

std::string UnwindCacheFolder(const std::string& option) { return CacheFolderNamed(option, TableCache::kFolderName); }
std::string DebuginfodCacheFolder(const std::string& option) {
  // libdebuginfod can't do without, and a folder in /tmp could be anybody's.
  const std::string lines = LineCacheFolder(option == "none" ? "" : option);
  return lines.empty() ? "" : lines + "/debuginfod";
}
std::string LineCacheFolder(const std::string& option) { return CacheFolderNamed(option, IndexCache::kFolderName); }

}  // namespace kiln::agent
