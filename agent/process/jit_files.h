// SPDX-License-Identifier: Apache-2.0
// Finds the files in which a process tells about code that it makes at run time.
//
//   perf map   /tmp/perf-PID.map
//   jitdump    jit-PID.dump in any folder. The process maps a page of it as executable, for no other reason than to
//              announce it (tools/perf/Documentation/jitdump-specification.txt)
//
// PID is the one that the process sees itself. Both are looked for as the process sees files, and opened while it
// lives: it may be gone when its frames are named. Who may write to /tmp must not be believed for another user's
// process: see FindJitFiles.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/process/maps.h"
#include "base/file.h"
#include "base/ids.h"
#include "symbolizer/symbol.h"

namespace kiln::agent {

struct Process;

struct JitFile {
  enum class Kind : uint8_t { kJitDump, kPerfMap };
  Kind kind;
  Pid writer;              // by its name
  bool inherited = false;  // it is of the process that this one was forked from
  std::string path;        // as the process sees it
  std::shared_ptr<const File> file;
};

struct JitFiles {
  std::vector<JitFile> files;  // the best first: its own before inherited ones, jitdumps before perf maps
  symbolizer::Miss miss = symbolizer::Miss::kNoPerfMap;  // why there is none; of any use if `files` is empty
  std::vector<uid_t> users;  // of the process, when it was looked at last; empty = not known

  // One of its own.
  bool Has(JitFile::Kind kind) const;
};

// What a forked child begins with: it runs code that its parent made. Of its ancestors' files a few are kept.
JitFiles InheritJitFiles(const JitFiles& of_parent);

// Adds to `files` what it has not of its own yet; a perf map that was deleted is replaced if there is another one by
// now. `views` are processes in its mount namespace (ProcessTable::NamespaceViews); kiln's own /tmp counts too if that
// is its namespace. Passed over, with a reason, are perf maps that
//   - belong neither to a user of the process nor to root, or are reached by a symbolic link and don't belong to a user
//     of the process: anybody may write to /tmp. If the process was gone before its users were known, any file counts
//   - were last written before the process began: pids return, in containers nearly always
// and jitdumps that are not the mapped file. Costs some twenty calls if there is none.
void FindJitFiles(const Process& process, std::vector<Pid> views, JitFiles& files);

}  // namespace kiln::agent
