// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/user_names.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "base/file.h"

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxPasswdBytes = 4 << 20;

}  // namespace

absl::flat_hash_map<uid_t, std::string> ParsePasswd(std::string_view text) {
  absl::flat_hash_map<uid_t, std::string> names;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::string_view name = line.substr(0, line.find(':'));
    line.remove_prefix(std::min(name.size() + 1, line.size()));
    const size_t password_end = line.find(':');
    if (name.empty() || name.starts_with('#') || password_end == std::string_view::npos) continue;
    line.remove_prefix(password_end + 1);
    const std::string_view number = line.substr(0, line.find(':'));
    uid_t uid = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), uid);
    if (error != std::errc() || end != number.data() + number.size()) continue;
    names.try_emplace(uid, name);
  }
  return names;
}

std::string UserNames::NameOf(uid_t uid) {
  auto found = names_.find(uid);
  if (found == names_.end()) {
    Refresh();
    found = names_.find(uid);
  }
  return found != names_.end() ? found->second : std::to_string(uid);
}

void UserNames::Refresh() {
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) return;
  const int64_t version_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  if (version_ns == version_ns_ && info.st_ino == inode_) return;
  const auto text = ReadFile(path_, kMaxPasswdBytes);
  if (!text.ok()) return;
  names_ = ParsePasswd(*text);
  version_ns_ = version_ns;
  inode_ = info.st_ino;
}

}  // namespace kiln::agent::identity
