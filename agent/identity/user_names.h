// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace kiln::agent::identity {

// Names of users by a passwd file (passwd(5)). Not by getpwuid(3): that may ask a directory server and wait for it for
// seconds, on the thread that drains the rings. Users that are only there keep their number. Thread-compatible.
class UserNames {
 public:
  explicit UserNames(std::string passwd_path) : path_(std::move(passwd_path)) {}

  // The name of `uid`; its number as text if the file has none. The file is looked at again for a number that it does
  // not have, and read again if it has changed.
  std::string NameOf(uid_t uid);

 private:
  void Refresh();

  const std::string path_;
  absl::flat_hash_map<uid_t, std::string> names_;
  int64_t version_ns_ = -1;  // time of the file's last change
  uint64_t inode_ = 0;
};

// Lines that are no entry are passed over; of equal numbers the first stands.
absl::flat_hash_map<uid_t, std::string> ParsePasswd(std::string_view text);

}  // namespace kiln::agent::identity
