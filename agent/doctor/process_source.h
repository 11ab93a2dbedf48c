// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "agent/doctor/process_facts.h"
#include "agent/process/object_files.h"
#include "agent/unwind/table_source.h"

namespace kiln::agent {

// Functions in the perf map and the jitdump of a process.
struct GeneratedNames {
  size_t functions = 0;
  std::string origin;    // "perf map", "jitdump and perf map"; "" = there is none
  std::string sentence;  // what is wrong; "" = nothing
};

// What the diagnosis of a process asks, so that tests can be any process.
class ProcessSource {
 public:
  virtual ~ProcessSource() = default;
  // The executable mappings, ascending. Errors as of reading /proc/PID/maps.
  virtual StatusOr<std::vector<Mapping>> Mappings() = 0;
  // What is behind a mapping that HasObject. Lives as long as the source.
  virtual const ObjectFile& Object(const Mapping& mapping) = 0;
  // Whether the path of a mapping with a file still leads to that file.
  virtual bool IsOnDisk(const Mapping& mapping) = 0;
  virtual DebugFilePlaces DebugPlaces(const Mapping& mapping) = 0;
  // What names the code that the process makes at run time.
  virtual GeneratedNames NamesOfGeneratedCode() = 0;
};

// A process of this host, as the recorder sees it. Thread-compatible.
class LiveProcessSource final : public ProcessSource {
 public:
  explicit LiveProcessSource(const ProcessFacts& facts);
  StatusOr<std::vector<Mapping>> Mappings() override;
  const ObjectFile& Object(const Mapping& mapping) override;
  bool IsOnDisk(const Mapping& mapping) override;
  DebugFilePlaces DebugPlaces(const Mapping& mapping) override;
  GeneratedNames NamesOfGeneratedCode() override;

 private:
  Process process_;
  ObjectFiles objects_;
};

}  // namespace kiln::agent
