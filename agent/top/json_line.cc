// SPDX-License-Identifier: Apache-2.0
#include "agent/top/json_line.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "agent/top/rows.h"

namespace kiln::agent {
namespace {

using Json = nlohmann::ordered_json;

// Three decimals: more would be noise.
double Rounded(double number) { return std::round(number * 1000) / 1000; }

Json PercentOf(int64_t part, int64_t whole) {
  if (whole == 0) return nullptr;
  return Rounded(100 * static_cast<double>(part) / static_cast<double>(whole));
}

Json NumberOrNull(int64_t number) { return number == 0 ? Json(nullptr) : Json(number); }

Json RowJson(const TopInterval& interval, const TopRow& row, TopGrouping by, int64_t samples) {
  Json json;
  const double cpus = Rounded(BusyCpus(interval.profile, row.self));
  if (by == TopGrouping::kFunction) {
    json["function"] = row.function;
    json["module"] = row.module;
    json["self_percent"] = PercentOf(row.self, samples);
    json["total_percent"] = PercentOf(row.total, samples);
    json["cpu"] = cpus;
    json["process"] = row.process;
    json["pid"] = NumberOrNull(row.pid);
    json["more_processes"] = row.more_processes;
    return json;
  }
  json["process"] = row.process;
  json["pid"] = NumberOrNull(row.pid);
  if (by == TopGrouping::kThread) {
    json["thread"] = row.thread;
    json["tid"] = NumberOrNull(row.tid);
  }
  json["percent"] = PercentOf(row.self, samples);
  json["cpu"] = cpus;
  json["hottest_function"] = row.function;
  json["hottest_module"] = row.module;
  return json;
}

}  // namespace

std::string RenderJsonLine(const TopInterval& interval, const TopView& view, size_t most_lines) {
  const TopTotals totals = TotalsOf(interval.profile);
  const std::vector<TopRow> rows = CountRows(interval.profile, view.by, view.sort);
  Json json;
  json["time"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", EndOf(interval.profile), absl::UTCTimeZone());
  json["host"] = interval.host;
  json["target"] = interval.target.empty() ? Json(nullptr) : Json(interval.target);
  json["interval_seconds"] = Rounded(static_cast<double>(interval.profile.duration_nano) / 1e9);
  json["frequency_hz"] = interval.frequency_hz;
  json["samples"] = totals.samples;
  json["lost"] = interval.lost;
  json["complete_percent"] = PercentOf(totals.complete, totals.samples);
  json["cpus"] = interval.online_cpus;
  json["cpus_busy"] = Rounded(BusyCpus(interval.profile, totals.samples));
  json["kiln_cpu_percent"] = Rounded(interval.own_cpu_percent);
  json["by"] = GroupingName(view.by);
  json["rows"] = Json::array();
  for (size_t i = 0; i < std::min(rows.size(), most_lines); ++i) {
    json["rows"].push_back(RowJson(interval, rows[i], view.by, totals.samples));
  }
  json["more_rows"] = rows.size() - json["rows"].size();
  // Not every text of a process is UTF-8, and an exception is no way to say so.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace kiln::agent
