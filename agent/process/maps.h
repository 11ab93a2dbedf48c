// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/status.h"

namespace kiln::agent {

// A range of a process's memory that holds code.
struct Mapping {
  ProcessAddress start;
  ProcessAddress end;  // exclusive
  FileOffset offset;
  uint64_t device = 0;  // 0 if not known or no file
  uint64_t inode = 0;   // 0 if not known or no file
  std::string path;     // as the process sees it, without " (deleted)"; empty for anonymous memory; "[vdso]" …
  friend bool operator==(const Mapping&, const Mapping&) = default;

  bool is_file() const { return path.starts_with('/'); }
};

// The executable lines of a /proc/PID/maps text (man proc_pid_maps), in its order. Lines that can't be read are left
// out.
std::vector<Mapping> ParseMaps(std::string_view text);

// The executable mappings of a live process now. Errors as of reading the file; kNotFound once the process is gone.
StatusOr<std::vector<Mapping>> ReadMaps(Pid pid);
// The same from a file of that format.
StatusOr<std::vector<Mapping>> ReadMapsFile(const std::string& path);

// Tidies a path as maps and side-band records print it: cuts " (deleted)", turns "//anon" and "anon_inode:…" into "".
std::string MappingPath(std::string_view printed);

}  // namespace kiln::agent
