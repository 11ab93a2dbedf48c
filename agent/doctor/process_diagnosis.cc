// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/process_diagnosis.h"

#include <algorithm>

#include "agent/doctor/mapping_judge.h"

namespace kiln::agent {

bool ProcessDiagnosis::CanUnwind() const {
  return std::ranges::none_of(mappings, [](const auto& mapping) { return mapping.health() == Health::kFailed; });
}

StatusOr<ProcessDiagnosis> DiagnoseProcess(const ProcessFacts& facts, ProcessSource& source) {
  KILN_ASSIGN_OR_RETURN(const std::vector<Mapping> mappings, source.Mappings());
  if (mappings.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "{} ({}) has no memory: it has ended", facts.pid.value,
                 facts.name);
  }
  ProcessDiagnosis diagnosis{.facts = facts};
  MappingJudge judge(facts, source);
  for (const Mapping& mapping : mappings) diagnosis.mappings.push_back(judge.Judge(mapping));
  return diagnosis;
}

}  // namespace kiln::agent
