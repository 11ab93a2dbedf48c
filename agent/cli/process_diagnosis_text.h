// SPDX-License-Identifier: Apache-2.0
// What `kiln doctor -p` prints.
#pragma once

#include <string>

#include "agent/doctor/process_diagnosis.h"

namespace kiln::agent {

// A table with a line per mapping; below those that are not well what is wrong and the command that mends it; a verdict
// at the end. Shares are percentages of the code in the mapping. Every line is safe to print.
std::string RenderProcessDiagnosis(const ProcessDiagnosis& diagnosis);

// {"pid", "name", "can_unwind": bool, "other_mount_namespace": bool, "mappings": [{"start", "end", "offset"
// (hexadecimal texts), "path", "build_id", "on_disk", "health", "walk": {"health", "method": "table|frame
// pointers|none", "origins", "sentence", "rows", "table_bytes", "code_bytes": {"all", "cfi", "derived", "unclear",
// "inexpressible", "damaged", "without"}, "issues": [{"reason", "count"}]}, "names": {"health", "origin", "functions",
// "named_bytes", "sentence"}, "mend"}]}, indented.
std::string RenderProcessDiagnosisJson(const ProcessDiagnosis& diagnosis);

}  // namespace kiln::agent
