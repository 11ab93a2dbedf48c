// SPDX-License-Identifier: Apache-2.0
// Loads that run from a file which a profiler cannot simply open by its path.
#pragma once

#include <string>

namespace kiln::programs {

// Copies the running program's file to `path`, mode 0700. Exits with a message on failure.
void CopyOwnFile(const std::string& path);

// A new empty directory "<TMPDIR or /tmp>/kiln-<name>-XXXXXX". Exits with a message on failure.
std::string MakeTempDirectory(const std::string& name);

}  // namespace kiln::programs
