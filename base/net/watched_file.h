// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <string>

#include "base/status.h"

namespace kiln {

// A small regular file (a certificate, a token) whose content is wanted again and again and may be replaced at any
// time: by a rename, by a link that turns to another folder (Kubernetes secrets), or in place. Looking costs one
// stat(2); the file is read again only if that tells of a change, or if the file is so fresh that a second change
// within the same tick of its time stamp would not show. Thread-compatible.
class WatchedFile {
 public:
  WatchedFile(std::string path, size_t limit_bytes) : path_(std::move(path)), limit_bytes_(limit_bytes) {}

  // Looks and reads. True if content() is another one than before. If the file can't be read, content() stays what it
  // was, and the next call tries again.
  StatusOr<bool> Refresh();

  const std::string& content() const { return content_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  size_t limit_bytes_;
  std::string content_;
  bool known_ = false;    // content_ is that of stat_
  bool settled_ = false;  // a change since would show in the time stamp
  struct stat stat_ {};
};

}  // namespace kiln
