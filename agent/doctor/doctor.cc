// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/doctor.h"

#include <fmt/format.h>
#include <sysexits.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/doctor/host_system.h"

namespace kiln::agent {
std::string_view HealthName(Health health) {
  switch (health) {
    case Health::kOk: return "ok";
    case Health::kLimited: return "limited";
    case Health::kFailed: return "failed";
  }
  return "failed";
}

std::vector<Diagnosis> Diagnose(System& system) {
  std::vector<Diagnosis> diagnoses;
  for (const Check& check : AllChecks()) diagnoses.push_back({&check, check.run(system)});
  return diagnoses;
}

bool CanRecord(const std::vector<Diagnosis>& diagnoses) {
  return std::none_of(diagnoses.begin(), diagnoses.end(),
                      [](const Diagnosis& d) { return d.finding.health == Health::kFailed; });
}

std::string RenderDiagnosis(const std::vector<Diagnosis>& diagnoses) {
  std::string text;
  for (const auto& [check, finding] : diagnoses) {
    const bool ok = finding.health == Health::kOk;
    text += fmt::format("{:<8} {:<20} {}\n", ok ? "OK" : HealthName(finding.health), check->title, finding.sentence);
    if (!finding.mend.empty()) text += fmt::format("{:<29} mend: {}\n", "", finding.mend);
  }
  const auto limited = std::count_if(diagnoses.begin(), diagnoses.end(),
                                     [](const Diagnosis& d) { return d.finding.health == Health::kLimited; });
  if (!CanRecord(diagnoses)) return text + "\nkiln record cannot work here yet.\n";
  if (limited > 0)
    return text + fmt::format("\nkiln record works here, with {} limit{}.\n", limited, limited > 1 ? "s" : "");
  return text + "\nkiln record works here.\n";
}

std::string RenderDiagnosisJson(const std::vector<Diagnosis>& diagnoses) {
  nlohmann::ordered_json checks = nlohmann::ordered_json::array();
  for (const auto& [check, finding] : diagnoses) {
    checks.push_back({{"id", check->id},
                      {"title", check->title},
                      {"health", HealthName(finding.health)},
                      {"sentence", finding.sentence},
                      {"mend", finding.mend}});
  }
  const nlohmann::ordered_json document = {{"can_record", CanRecord(diagnoses)}, {"checks", checks}};
  // Paths and kernel strings need not be UTF-8; JSON must.
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

int RunDoctor(bool json) {
  HostSystem system;
  const std::vector<Diagnosis> diagnoses = Diagnose(system);
  fmt::print("{}", json ? RenderDiagnosisJson(diagnoses) : RenderDiagnosis(diagnoses));
  return CanRecord(diagnoses) ? EX_OK : EX_UNAVAILABLE;
}

}  // namespace kiln::agent
