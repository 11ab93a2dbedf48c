// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/status.h"

namespace kiln::agent {

// The kernel side sees the host's pids and reads its clocks: kFailedPrecondition if /proc here shows other ones.
Status CheckPidNamespace();

// As far as the hard limit allows. Object files stay open until they are named: the more the better.
void RaiseOpenFileLimit();

// Where line indexes are kept (IndexCache), in the same way.
std::string LineCacheFolder(const std::string& option);

// Where files of debuginfod servers are kept: below LineCacheFolder, and in the usual place if that is "none". "" if
// there is no such place: then no server can be asked.
std::string DebuginfodCacheFolder(const std::string& option);

// Where compiled unwind tables are kept: `option` itself, "" = the usual place for this user (TableCache). Returns ""
// for nowhere: `option` is "none", or there is no place.
std::string UnwindCacheFolder(const std::string& option);

}  // namespace kiln::agent
