// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/process_diagnosis_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "agent/cli/report_table.h"
#include "agent/cli/terminal.h"
#include "agent/doctor/doctor.h"

namespace kiln::agent {
namespace {

constexpr size_t kShownBuildIdDigits = 12;
constexpr size_t kColumns = 11;
constexpr size_t kFirstLeft = 8;  // the columns before, but for the first, are numbers and stand to the right
using Row = std::array<std::string, kColumns>;

const Row kHeadings = {"STATE", "CODE",  "CFI %",     "DERIVED %", "UNCLEAR %", "WITHOUT %",
                       "ROWS",  "TABLE", "WALKED BY", "NAMED BY",  "MAPPING"};

std::string Bytes(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (bytes < 1024 * 1024) return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1024 * 1024));
}

std::string Share(uint64_t part, uint64_t whole) {
  return Percent(static_cast<int64_t>(part), static_cast<int64_t>(whole));
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string_view MethodName(kiln_walker walker) {
  switch (walker) {
    case KILN_WALKER_TABLE: return "table";
    case KILN_WALKER_FRAME_POINTER: return "frame pointers";
    default: return "none";
  }
}

std::string WalkedBy(const WalkDiagnosis& walk) {
  if (walk.walker != KILN_WALKER_TABLE) return std::string(MethodName(walk.walker));
  return walk.origins.empty() ? "none" : HarmlessText(Join(walk.origins));
}

std::string NamedBy(const MappingDiagnosis& mapping) {
  const NamesDiagnosis& names = mapping.names;
  if (names.origin.empty()) return "none";
  return fmt::format("{} ({})", names.origin, WithThousands(static_cast<int64_t>(names.functions)));
}

std::string Place(const MappingDiagnosis& diagnosis) {
  const Mapping& mapping = diagnosis.mapping;
  const std::string path = mapping.path.empty() ? "(no file)" : HarmlessText(mapping.path);
  const std::string id =
      diagnosis.build_id.empty() ? "" : fmt::format(" [{}]", diagnosis.build_id.substr(0, kShownBuildIdDigits));
  return fmt::format("{:x}-{:x} {}{}", mapping.start.value(), mapping.end.value(), path, id);
}

Row RowOf(const MappingDiagnosis& diagnosis) {
  Row row;
  const Health health = diagnosis.health();
  row[0] = health == Health::kOk ? "OK" : HealthName(health);
  row[1] = Bytes(diagnosis.mapping.end.value() - diagnosis.mapping.start.value());
  if (const CodeCoverage& coverage = diagnosis.walk.coverage; coverage.code > 0) {
    row[1] = Bytes(coverage.code);
    row[2] = Share(coverage.cfi, coverage.code);
    row[3] = Share(coverage.derived, coverage.code);
    row[4] = Share(coverage.unclear, coverage.code);
    row[5] = Share(coverage.without + coverage.inexpressible + coverage.damaged, coverage.code);
    row[6] = WithThousands(static_cast<int64_t>(coverage.rows));
    row[7] = Bytes(coverage.table_bytes);
  }
  row[8] = WalkedBy(diagnosis.walk);
  row[9] = NamedBy(diagnosis);
  row[10] = Place(diagnosis);
  return row;
}

std::string Line(const Row& row, const std::array<size_t, kColumns>& widths) {
  std::string line;
  for (size_t i = 0; i < kColumns; ++i) {
    const std::string padding(widths[i] - DisplayWidth(row[i]), ' ');
    const bool left = i == 0 || i >= kFirstLeft;
    line += left ? row[i] + padding : padding + row[i];
    line += "  ";
  }
  line.resize(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

bool IsGenerated(const MappingDiagnosis& diagnosis) {
  // Pages of the kernel's, as [vsyscall], are well without names.
  const bool lacks_nothing = diagnosis.names.origin.empty() && diagnosis.names.health == Health::kOk;
  return diagnosis.walk.walker == KILN_WALKER_FRAME_POINTER && !lacks_nothing;
}

// What is below the line of a mapping.
std::string Remarks(const MappingDiagnosis& diagnosis) {
  std::string text;
  const auto remark = [&](std::string_view what, const std::string& sentence) {
    if (!sentence.empty()) text += fmt::format("{:<9}{}: {}\n", "", what, HarmlessText(sentence));
  };
  const WalkDiagnosis& walk = diagnosis.walk;
  // Of generated code the end tells once.
  if (!IsGenerated(diagnosis)) remark("walk", walk.sentence);
  for (const auto& [reason, count] : walk.issues) remark("left out", fmt::format("{} × {}", count, reason));
  remark("names", diagnosis.names.sentence);
  remark("lines", diagnosis.names.lines);
  remark("mend", diagnosis.mend);
  return text;
}

std::string Verdict(const ProcessDiagnosis& diagnosis) {
  size_t failed = 0, cut = 0, unnamed = 0;
  for (const MappingDiagnosis& mapping : diagnosis.mappings) {
    failed += mapping.walk.health == Health::kFailed ? 1 : 0;
    cut += mapping.walk.health == Health::kLimited ? 1 : 0;
    unnamed += mapping.names.health != Health::kOk ? 1 : 0;
  }
  const size_t all = diagnosis.mappings.size();
  std::string text;
  if (failed > 0) {
    text = fmt::format("Stacks are cut in {} of {} mappings", failed, all);
    if (cut > 0) text += fmt::format(", and in parts of {} more", cut);
  } else if (cut > 0) {
    text = fmt::format("Stacks can be walked, but for parts of {} of {} mappings", cut, all);
  } else {
    text = "Stacks can be walked";
  }
  if (unnamed > 0) {
    text += fmt::format("; {} of {} mappings lack names", unnamed, all);
  } else if (failed + cut == 0) {
    text += " and named";
  }
  return text + ".\n";
}

}  // namespace

std::string RenderProcessDiagnosis(const ProcessDiagnosis& diagnosis) {
  std::vector<Row> rows = {kHeadings};
  for (const MappingDiagnosis& mapping : diagnosis.mappings) rows.push_back(RowOf(mapping));
  std::array<size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  std::string text = fmt::format("process {} ({}){}\n\n", diagnosis.facts.pid.value, HarmlessText(diagnosis.facts.name),
                                 diagnosis.facts.other_mount_namespace ? ", in a mount namespace of its own" : "");
  text += Line(rows[0], widths);
  bool generated = false;
  for (size_t i = 0; i < diagnosis.mappings.size(); ++i) {
    text += Line(rows[i + 1], widths) + Remarks(diagnosis.mappings[i]);
    generated = generated || IsGenerated(diagnosis.mappings[i]);
  }
  if (generated) text += "\nGenerated code is walked by its frame pointers, if the runtime keeps them.";
  return text + "\n" + Verdict(diagnosis);
}

std::string RenderProcessDiagnosisJson(const ProcessDiagnosis& diagnosis) {
  using Json = nlohmann::ordered_json;
  Json mappings = Json::array();
  for (const MappingDiagnosis& item : diagnosis.mappings) {
    const WalkDiagnosis& walk = item.walk;
    const CodeCoverage& coverage = walk.coverage;
    Json issues = Json::array();
    for (const auto& [reason, count] : walk.issues) issues.push_back({{"reason", reason}, {"count", count}});
    const Json code = {{"all", coverage.code},
                       {"cfi", coverage.cfi},
                       {"derived", coverage.derived},
                       {"unclear", coverage.unclear},
                       {"inexpressible", coverage.inexpressible},
                       {"damaged", coverage.damaged},
                       {"without", coverage.without}};
    mappings.push_back({{"start", fmt::format("{:x}", item.mapping.start.value())},
                        {"end", fmt::format("{:x}", item.mapping.end.value())},
                        {"offset", fmt::format("{:x}", item.mapping.offset.value())},
                        {"path", item.mapping.path},
                        {"build_id", item.build_id},
                        {"on_disk", item.on_disk},
                        {"health", HealthName(item.health())},
                        {"walk",
                         {{"health", HealthName(walk.health)},
                          {"method", MethodName(walk.walker)},
                          {"origins", walk.origins},
                          {"sentence", walk.sentence},
                          {"rows", coverage.rows},
                          {"table_bytes", coverage.table_bytes},
                          {"code_bytes", code},
                          {"issues", issues}}},
                        {"names",
                         {{"health", HealthName(item.names.health)},
                          {"origin", item.names.origin},
                          {"lines", item.names.lines},
                          {"functions", item.names.functions},
                          {"named_bytes", item.names.named_bytes},
                          {"sentence", item.names.sentence}}},
                        {"mend", item.mend}});
  }
  const Json document = {{"pid", diagnosis.facts.pid.value},
                         {"name", diagnosis.facts.name},
                         {"can_unwind", diagnosis.CanUnwind()},
                         {"other_mount_namespace", diagnosis.facts.other_mount_namespace},
                         {"mappings", mappings}};
  // Names and paths need not be UTF-8; JSON must.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace kiln::agent
