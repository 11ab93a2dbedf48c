// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "agent/process/process.h"

namespace kiln::agent {

// The /tmp/perf-PID.map of `process`, in its own mount namespace and by the pid that it sees itself; nullptr if there
// is none. A file that belongs neither to the user who runs the process nor to root is passed over, since anybody may
// write to /tmp; once the process is gone, its user is not known and any file counts. `views` are processes in its
// mount namespace (ProcessTable::NamespaceViews); kiln's own /tmp counts too if that is its namespace.
std::shared_ptr<const File> FindPerfMap(const Process& process, std::vector<Pid> views);

}  // namespace kiln::agent
