// SPDX-License-Identifier: Apache-2.0
// `kiln doctor`: can this machine record, and if not, what mends it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/doctor/checks.h"

namespace kiln::agent {

struct Diagnosis {
  const Check* check;  // of AllChecks()
  Finding finding;
};

std::vector<Diagnosis> Diagnose(System& system);

// True if nothing failed: `kiln record` should work.
bool CanRecord(const std::vector<Diagnosis>& diagnoses);

// "ok", "limited", "failed".
std::string_view HealthName(Health health);

// A line per check; a second one with the command where there is something to mend; a verdict at the end.
std::string RenderDiagnosis(const std::vector<Diagnosis>& diagnoses);

// {"can_record": bool, "checks": [{"id", "title", "health": "ok|limited|failed", "sentence", "mend"}]}, indented.
std::string RenderDiagnosisJson(const std::vector<Diagnosis>& diagnoses);

// The command: checks this machine and prints. Returns 0 if it can record, otherwise 69 (EX_UNAVAILABLE).
int RunDoctor(bool json);

}  // namespace kiln::agent
