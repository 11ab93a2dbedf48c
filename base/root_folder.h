// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/file.h"
#include "base/status.h"

namespace kiln {

// File::Open as a process would do it whose root is the folder `root`: neither ".." nor a symbolic link leads out of
// it, links that are absolute begin there. `root` itself may be anything that leads to a folder (/proc/PID/root).
StatusOr<File> OpenInRoot(const std::string& root, const std::string& path);

}  // namespace kiln
