// SPDX-License-Identifier: Apache-2.0
#include "agent/config/watch.h"

#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "agent/config/load.h"
#include "agent/config/yaml.h"
#include "base/file.h"

namespace kiln::agent::config {
namespace {

constexpr int kMaxLinks = 40;  // as in the kernel
constexpr uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

bool IsYaml(std::string_view name) { return name.ends_with(".yaml") || name.ends_with(".yml"); }

// The next step of a path: "a" of "/a/b" or "a/b", which is cut off.
std::string TakeStep(std::string& rest) {
  const size_t start = rest.find_first_not_of('/');
  if (start == std::string::npos) {
    rest.clear();
    return "";
  }
  const size_t end = std::min(rest.find('/', start), rest.size());
  std::string step = rest.substr(start, end - start);
  rest.erase(0, end);
  return step;
}

std::string ReadLink(const std::string& path) {
  std::array<char, 4096> target;
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  return length <= 0 || length == static_cast<ssize_t>(target.size())
             ? ""
             : std::string(target.data(), static_cast<size_t>(length));
}

std::string Parent(const std::string& folder) {
  const size_t slash = folder.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : folder.substr(0, slash);
}

// What a file's bytes are, in short; files that can't be read differ from all that can.
std::string FileHash(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return "-";
  const StatusOr<std::string> content = ReadFile(path, kMaxConfigBytes);
  if (!content.ok()) return fmt::format("-{}", static_cast<int>(content.status().code()));
  const XXH128_hash_t hash = XXH3_128bits(content->data(), content->size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

std::map<std::string, std::set<std::string>> StepsTo(const std::string& path) {
  std::map<std::string, std::set<std::string>> steps;
  std::error_code error;
  std::string rest = std::filesystem::absolute(path, error).native();
  const std::string root = "/";
  std::string folder = root;
  int links = 0;
  while (true) {
    const std::string step = TakeStep(rest);
    if (step.empty()) return steps;
    if (step == ".") continue;
    if (step == "..") {
      folder = Parent(folder);
      continue;
    }
    steps[folder].insert(step);
    const std::string entry = fmt::format("{}/{}", folder == "/" ? "" : folder, step);
    const std::string target = ReadLink(entry);
    if (target.empty()) {
      folder = entry;  // a folder, the file at the end, or nothing: then what follows is not there either
      struct stat info {};
      if (::stat(folder.c_str(), &info) != 0) return steps;
      continue;
    }
    if (++links > kMaxLinks) return steps;
    rest = fmt::format("{}/{}", target, rest);
    if (target.starts_with('/')) folder = root;
  }
}

StatusOr<std::unique_ptr<ConfigWatcher>> ConfigWatcher::Create(const std::vector<std::string>& paths) {
  UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify.valid()) {
    return ErrnoError(errno,
                      "cannot watch the configuration for changes (fs.inotify.max_user_instances may be too low)");
  }
  auto watcher = std::unique_ptr<ConfigWatcher>(new ConfigWatcher(std::move(inotify)));
  watcher->paths_ = paths;
  KILN_RETURN_IF_ERROR(watcher->Rewatch());
  watcher->hash_ = watcher->ContentHash();
  return watcher;
}

void ConfigWatcher::SetPaths(const std::vector<std::string>& paths) {
  if (paths == paths_) return;
  paths_ = paths;
  // What can't be watched is seen at the next SIGHUP at least.
  (void)Rewatch();
  hash_ = ContentHash();
}

Status ConfigWatcher::Rewatch() {
  std::map<std::string, Watch> wanted;
  const auto want = [&](const std::string& path) {
    for (auto& [folder, names] : StepsTo(path)) {
      Watch& watch = wanted[folder];
      watch.folder = folder;
      watch.names.insert(names.begin(), names.end());
    }
  };
  for (const std::string& path : paths_) {
    want(path);
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) continue;
    const std::string folder = std::filesystem::canonical(path, error).native();
    if (error) continue;
    wanted[folder].folder = folder;
    wanted[folder].all_yaml = true;
    const auto files = ConfigFilesOf(path);
    if (!files.ok()) continue;
    for (const std::string& file : *files) want(file);
  }
  std::map<int, Watch> watches;
  Status status;
  for (auto& [folder, watch] : wanted) {
    const int number = ::inotify_add_watch(inotify_.get(), folder.c_str(), kEvents);
    if (number >= 0) {
      // Two names of one folder are one watch.
      Watch& known = watches[number];
      known.folder = folder;
      known.names.insert(watch.names.begin(), watch.names.end());
      known.all_yaml = known.all_yaml || watch.all_yaml;
    } else if (errno != ENOENT && errno != ENOTDIR && errno != EACCES && status.ok()) {
      status = ErrnoError(errno, "cannot watch {} for changes (fs.inotify.max_user_watches may be too low)", folder);
    }
  }
  for (const auto& [number, watch] : watches_) {
    if (!watches.contains(number)) ::inotify_rm_watch(inotify_.get(), number);
  }
  watches_ = std::move(watches);
  return status;
}

bool ConfigWatcher::Matters(int number, const std::string& name) const {
  const auto found = watches_.find(number);
  if (found == watches_.end()) return false;  // of a watch that was taken away
  const Watch& watch = found->second;
  return name.empty() || watch.names.contains(name) || (watch.all_yaml && IsYaml(name));
}

void ConfigWatcher::OnReadable(int64_t now_ns) {
  alignas(inotify_event) std::array<char, 16384> buffer;
  bool matters = false;
  while (true) {
    const ssize_t length = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) break;
    for (ssize_t at = 0; at < length;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      const bool is_lost = (event->mask & IN_Q_OVERFLOW) != 0;
      if ((event->mask & IN_IGNORED) != 0 && !watches_.contains(event->wd)) continue;  // our own doing
      matters = matters || is_lost || Matters(event->wd, event->len > 0 ? event->name : "");
    }
  }
  if (!matters) return;
  // At once, for what follows in a folder that has only just come.
  (void)Rewatch();
  if (!first_event_ns_) first_event_ns_ = now_ns;
  last_event_ns_ = now_ns;
}

std::optional<int64_t> ConfigWatcher::deadline_ns() const {
  if (!last_event_ns_) return std::nullopt;
  return std::min(*last_event_ns_ + kSettleNs, *first_event_ns_ + kMaxSettleNs);
}

bool ConfigWatcher::Changed(int64_t now_ns) {
  const std::optional<int64_t> deadline = deadline_ns();
  if (!deadline || now_ns < *deadline) return false;
  first_event_ns_.reset();
  last_event_ns_.reset();
  // What came between the last event and the watch on it.
  (void)Rewatch();
  std::string hash = ContentHash();
  if (hash == hash_) return false;
  hash_ = std::move(hash);
  return true;
}

std::string ConfigWatcher::ContentHash() const {
  std::string hash;
  for (const std::string& path : paths_) {
    const auto files = ConfigFilesOf(path);
    if (!files.ok()) {
      hash += fmt::format("{}:-\n", path);
      continue;
    }
    for (const std::string& file : *files) hash += fmt::format("{}:{}\n", file, FileHash(file));
  }
  return hash;
}

}  // namespace kiln::agent::config
