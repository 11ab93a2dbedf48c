// SPDX-License-Identifier: Apache-2.0
// `kiln doctor -p`: for each executable mapping of a process, whether the recorder can walk its frames and name them,
// and why not. What walks the frames is decided by the recorder's own code (agent/unwind), not by a copy of it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/doctor/checks.h"
#include "agent/doctor/code_coverage.h"
#include "agent/doctor/process_source.h"
#include "agent/unwind/code_walker.h"

namespace kiln::agent {

struct WalkDiagnosis {
  Health health = Health::kOk;  // kFailed: every stack that gets there is cut there
  kiln_walker walker = KILN_WALKER_NONE;
  // Where the rules are from, the most trusted first: ".eh_frame", ".debug_frame", the same "of <debug file>",
  // "Go functions", "instructions". Empty but for KILN_WALKER_TABLE.
  std::vector<std::string> origins{};
  CodeCoverage coverage{};  // of KILN_WALKER_TABLE
  // What of the file's unwind information could not be taken over: reason and how often, in the pages looked at.
  std::vector<std::pair<std::string_view, uint64_t>> issues{};
  std::string sentence{};  // what is wrong or worth knowing; may be empty
};

struct NamesDiagnosis {
  Health health = Health::kOk;  // never kFailed: a stack without names is whole
  std::string origin{};  // ".symtab", ".symtab of <debug file>", ".dynsym", "perf map" …; empty if there are no names
  std::string
      lines{};  // where files, lines and inlined functions are from, or why there are none; "" for generated code
  uint64_t functions = 0;
  uint64_t named_bytes = 0;  // of WalkDiagnosis::coverage.code
  std::string sentence{};
};

struct MappingDiagnosis {
  Mapping mapping;
  std::string build_id{};  // lower-case hex, "" if none
  bool on_disk = true;     // false: the file was deleted or replaced
  WalkDiagnosis walk{};
  NamesDiagnosis names{};
  std::string mend{};  // one shell command that mends it, as in Finding

  Health health() const { return std::max(walk.health, names.health); }
};

struct ProcessDiagnosis {
  ProcessFacts facts;
  std::vector<MappingDiagnosis> mappings{};

  // True if nothing failed.
  bool CanUnwind() const;
};

// Reads every table that it judges: some ten to hundred ms for a usual program, seconds for a browser. Errors are those
// of ProcessSource::Mappings, and kFailedPrecondition for a process that has ended meanwhile.
StatusOr<ProcessDiagnosis> DiagnoseProcess(const ProcessFacts& facts, ProcessSource& source);

}  // namespace kiln::agent
