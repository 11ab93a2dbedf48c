// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/file.h"
#include "base/status.h"

namespace kiln {

// File::Open as a process would do it whose root is the folder `root`: neither ".." nor a symbolic link leads out of
// it, links that are absolute begin there. `root` itself may be anything that leads to a folder (/proc/PID/root).
StatusOr<File> OpenInRoot(const std::string& root, const std::string& path);

// Where the links end that `path` itself is, as the path of what they lead to in `root`: what a file says of places
// relative to its own is meant there. Folders of the path are left as they are; the system follows links among them
// before "..". `path` itself if it is no link, or can't be followed.
std::string FollowLinksInRoot(const std::string& root, const std::string& path);

}  // namespace kiln
