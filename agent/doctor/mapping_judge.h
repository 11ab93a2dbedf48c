// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "agent/doctor/process_diagnosis.h"
#include "symbolizer/debug_files.h"
#include "symbolizer/go/go_names.h"
#include "symbolizer/symbol_table.h"

namespace kiln::agent {

// Judges the mappings of one process, one after the other. What was read of a file is kept while mappings of the same
// file follow. Thread-compatible.
class MappingJudge {
 public:
  MappingJudge(const ProcessFacts& facts, ProcessSource& source) : facts_(facts), source_(source) {}
  MappingDiagnosis Judge(const Mapping& mapping);

 private:
  void JudgeGenerated(MappingDiagnosis& diagnosis);
  void JudgeUnreadable(const ObjectFile& object, MappingDiagnosis& diagnosis);
  void JudgeTable(const ObjectFile& object, const CodeRanges& code, MappingDiagnosis& diagnosis);
  void JudgeNames(const ObjectFile& object, const CodeRanges& code, MappingDiagnosis& diagnosis);
  std::string LinesFrom(const ObjectFile& object) const;
  void ReadFile(const ObjectFile& object, const Mapping& mapping);

  const ProcessFacts& facts_;
  ProcessSource& source_;
  std::optional<GeneratedNames> generated_names_;  // once asked for

  // Of the last file.
  const ObjectFile* object_ = nullptr;
  StatusOr<TableSource> table_ = absl::UnknownError("none");
  symbolizer::DebugFiles debug_;
  StatusOr<symbolizer::SymbolTable> symbols_ = absl::UnknownError("none");
};

}  // namespace kiln::agent
