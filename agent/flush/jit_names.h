// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "agent/process/jit_files.h"
#include "symbolizer/jitdump.h"
#include "symbolizer/perf_map.h"
#include "symbolizer/symbol.h"

namespace kiln::agent {

// The names of code made at run time: perf maps and jitdumps, which stay known from window to window, so that only what
// was added to them is read. Thread-compatible.
class JitNames {
 public:
  struct Found {
    std::vector<symbolizer::SourceLine> lines;  // as of symbolizer::Naming
    symbolizer::Miss miss = symbolizer::Miss::kNone;
    std::string path;  // of the file that has the name, as the process sees it; of the best file on a miss; "" = none
  };

  // What is asked for until EndWindow is answered by the files as they are when they are asked for first.
  void BeginWindow() { ++window_; }
  Found Find(const JitFiles& files, ProcessAddress address);
  // Forgets files whose processes are gone, those that were not used for a minute or so, and the largest ones as far as
  // all take more than `max_bytes`: they are read again from their begin when they are needed.
  void EndWindow(size_t max_bytes);

  size_t memory_bytes() const;

 private:
  struct Known {
    std::shared_ptr<const File> file;  // open, so that its identity stays its own
    std::variant<symbolizer::PerfMap, symbolizer::JitDump> names;
    symbolizer::Miss miss = symbolizer::Miss::kNone;  // what it lacks has this reason
    bool usable = true;                               // else it names nothing
    uint64_t used_in = 0;                             // window_

    size_t memory_bytes() const;
  };

  const Known& Update(const JitFile& file);

  absl::flat_hash_map<FileIdentity, std::unique_ptr<Known>> files_;
  uint64_t window_ = 0;  // counts them
};

}  // namespace kiln::agent
