// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/debug_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/telemetry/text.h"

namespace kiln::agent {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& document) { return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json TimeJson(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) return nullptr;
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

std::string TimeText(absl::Time time) {
  if (time == absl::InfinitePast()) return "never";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

std::string Percent(double share) { return fmt::format("{:.2f} %", 100 * share); }
std::string Count(int64_t count) { return fmt::format("{}", count); }
std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

void SortBusiestFirst(std::vector<ProcessRow>& rows) {
  std::ranges::sort(rows, [](const ProcessRow& a, const ProcessRow& b) {
    return a.samples != b.samples ? a.samples > b.samples : a.pid < b.pid;
  });
}

// What a person should know first.
std::vector<std::pair<std::string, std::string>> SummaryFacts(const AgentSummary& summary, absl::Time now) {
  const SamplingStatus& sampling = summary.sampling;
  std::string how = "no pipeline asks for profiles";
  if (sampling.wanted && !sampling.attached)
    how = "not attached" + (sampling.reason.empty() ? "" : ": " + sampling.reason);
  if (sampling.wanted && sampling.attached) {
    how = fmt::format("{} of {} CPUs at {} Hz; {} samples, {} lost; {} of the stacks complete", sampling.cpus_sampled,
                      sampling.cpus_online, sampling.frequency_hz, sampling.samples, sampling.lost_samples,
                      Percent(sampling.complete_share));
  }
  std::string reload =
      fmt::format("{}, {}", summary.reload.ok ? "in force" : "refused", AgoText(summary.reload.last, now));
  if (!summary.reload.message.empty()) reload += ": " + summary.reload.message;
  std::vector<std::pair<std::string, std::string>> facts = {{"version", summary.version},
                                                            {"started", AgoText(summary.started, now)},
                                                            {"sampling", how},
                                                            {"configuration", reload}};
  if (!summary.instance.empty()) facts.insert(facts.begin() + 1, {"instance", summary.instance});
  return facts;
}

Json ExporterJson(const ExporterStatus& exporter) {
  return {{"id", exporter.id},
          {"endpoint", RedactSecrets(exporter.endpoint)},
          {"last", LastExportName(exporter.last)},
          {"message", RedactSecrets(exporter.message)},
          {"last_attempt", TimeJson(exporter.last_attempt)},
          {"last_accepted", TimeJson(exporter.last_accepted)},
          {"handed_over", exporter.handed_over},
          {"sent_samples", exporter.sent_samples},
          {"failed_samples", exporter.failed_samples}};
}

const std::vector<std::string> kExporterTitles = {"exporter",      "endpoint", "last export", "last accepted",
                                                  ">sent samples", ">failed",  "message"};
std::vector<std::vector<std::string>> ExporterRows(const std::vector<ExporterStatus>& exporters, absl::Time now) {
  std::vector<std::vector<std::string>> rows;
  for (const ExporterStatus& exporter : exporters) {
    rows.push_back({exporter.id, OrDash(RedactSecrets(exporter.endpoint)), std::string(LastExportName(exporter.last)),
                    AgoText(exporter.last_accepted, now), Count(exporter.sent_samples), Count(exporter.failed_samples),
                    RedactSecrets(exporter.message)});
  }
  return rows;
}

std::string HtmlTable(const std::vector<std::string>& titles, const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<table><tr>";
  const auto number = [&](size_t i) { return i < titles.size() && titles[i].starts_with('>') ? " class=n" : ""; };
  for (size_t i = 0; i < titles.size(); ++i) {
    out +=
        fmt::format("<th{}>{}</th>", number(i), HtmlText(titles[i].starts_with('>') ? titles[i].substr(1) : titles[i]));
  }
  out += "</tr>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) out += fmt::format("<td{}>{}</td>", number(i), HtmlText(row[i]));
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

constexpr std::string_view kHead =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\"><title>kiln agent</title><style>"
    ":root{color-scheme:light dark}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}"
    "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.2rem 1.2rem .2rem 0;"
    "overflow-wrap:anywhere}th{font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums}"
    "nav a{margin-right:1.2rem}.bad{border-left:.3rem solid #c33;padding-left:.7rem}"
    ".good{border-left:.3rem solid #393;padding-left:.7rem}"
    "</style></head><body>\n";

constexpr std::string_view kNav =
    "<nav><a href=\"/debug/processes\">processes</a><a href=\"/debug/tables\">tables</a>"
    "<a href=\"/debug/queue\">queue</a><a href=\"/debug/governor\">governor</a><a href=\"/debug/config\">config</a>"
    "<a href=\"/metrics\">metrics</a><a href=\"/healthz\">healthz</a><a href=\"/readyz\">readyz</a></nav>\n";

}  // namespace

std::string_view LastExportName(ExporterStatus::Last last) {
  switch (last) {
    case ExporterStatus::Last::kNone: return "none yet";
    case ExporterStatus::Last::kAccepted: return "accepted";
    case ExporterStatus::Last::kRetrying: return "retrying";
    case ExporterStatus::Last::kRefused: return "refused";
  }
  return "none yet";
}

std::string AgoText(absl::Time time, absl::Time now) {
  if (time == absl::InfinitePast()) return "never";
  const absl::Duration ago = std::max(now - time, absl::ZeroDuration());  // wall clocks are set back
  const int64_t seconds = absl::ToInt64Seconds(ago);
  if (seconds < 60) return fmt::format("{}s ago", seconds);
  if (seconds < 3600) return fmt::format("{}m {}s ago", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h {}m ago", seconds / 3600, seconds % 3600 / 60);
  return fmt::format("{}d {}h ago", seconds / 86400, seconds % 86400 / 3600);
}

std::string DebugIndexHtml(const AgentSummary& summary, const std::vector<std::string>& not_ready, absl::Time now) {
  std::string out(kHead);
  out += "<h1>kiln agent</h1>\n";
  out += kNav;
  if (not_ready.empty()) {
    out += "<p class=good>Ready.</p>\n";
  } else {
    out += "<div class=bad><p>Not ready:</p><ul>";
    for (const std::string& reason : not_ready) out += "<li>" + HtmlText(RedactSecrets(reason)) + "</li>";
    out += "</ul></div>\n";
  }
  out += "<table>";
  for (const auto& [name, value] : SummaryFacts(summary, now)) {
    out += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", HtmlText(name), HtmlText(RedactSecrets(value)));
  }
  out += "</table>\n<h2>Exporters</h2>\n";
  out += HtmlTable(kExporterTitles, ExporterRows(summary.exporters, now));
  if (!summary.warnings.empty()) {
    out += "<h2>Limits found at the start</h2><ul>";
    for (const std::string& warning : summary.warnings) out += "<li>" + HtmlText(warning) + "</li>";
    out += "</ul>\n";
  }
  return out + "<p>Every page but metrics is JSON with <code>?format=json</code>.</p></body></html>\n";
}

std::string DebugIndexJson(const AgentSummary& summary, const std::vector<std::string>& not_ready) {
  const SamplingStatus& sampling = summary.sampling;
  Json exporters = Json::array();
  for (const ExporterStatus& exporter : summary.exporters) exporters.push_back(ExporterJson(exporter));
  return Dump({{"version", summary.version},
               {"instance", summary.instance},
               {"started", TimeJson(summary.started)},
               {"stopping", summary.stopping},
               {"ready", not_ready.empty()},
               {"reasons", not_ready},
               {"sampling",
                {{"wanted", sampling.wanted},
                 {"attached", sampling.attached},
                 {"reason", sampling.reason},
                 {"cpus_sampled", sampling.cpus_sampled},
                 {"cpus_online", sampling.cpus_online},
                 {"frequency_hz", sampling.frequency_hz},
                 {"samples", sampling.samples},
                 {"lost_samples", sampling.lost_samples},
                 {"complete_share", sampling.complete_share}}},
               {"exporters", exporters},
               {"reload",
                {{"last", TimeJson(summary.reload.last)},
                 {"ok", summary.reload.ok},
                 {"message", RedactSecrets(summary.reload.message)},
                 {"succeeded", summary.reload.succeeded},
                 {"failed", summary.reload.failed}}},
               {"warnings", summary.warnings}});
}

std::string ProcessesText(std::vector<ProcessRow> rows) {
  SortBusiestFirst(rows);
  std::vector<std::vector<std::string>> cells;
  for (const ProcessRow& row : rows) {
    const std::string container = row.container.empty() ? "-" : row.container.substr(0, 12);
    cells.push_back({Count(row.pid), row.name, Count(row.samples), row.samples > 0 ? Percent(row.complete_share) : "-",
                     OrDash(row.service), container, OrDash(row.executable), row.note});
  }
  return fmt::format("{} processes; samples are those of the last window\n\n", rows.size()) +
         TextTable({">pid", "name", ">samples", ">complete", "service", "container", "executable", "note"}, cells);
}

std::string ProcessesJson(std::vector<ProcessRow> rows) {
  SortBusiestFirst(rows);
  Json list = Json::array();
  for (const ProcessRow& row : rows) {
    list.push_back({{"pid", row.pid},
                    {"name", row.name},
                    {"executable", row.executable},
                    {"service", row.service},
                    {"container", row.container},
                    {"runtime", row.runtime},
                    {"samples", row.samples},
                    {"complete_share", row.complete_share},
                    {"note", row.note}});
  }
  return Dump(Json::object({{"processes", list}}));
}

std::string TablesText(const TablesStatus& tables) {
  std::string out = fmt::format("unwind tables  {} of {}\nall BPF maps   {}\n", BytesText(tables.memory_bytes),
                                BytesText(tables.memory_limit_bytes), BytesText(tables.bpf_map_bytes));
  for (const auto& [name, value] : tables.counters) out += fmt::format("{}  {}\n", VisibleText(name), value);
  std::vector<std::vector<std::string>> cells;
  for (const auto& file : tables.files) {
    cells.push_back(
        {file.path, OrDash(file.build_id), Count(static_cast<int64_t>(file.pages)), BytesText(file.bytes), file.note});
  }
  return out + "\n" + TextTable({"file", "build id", ">pages", ">bytes", "note"}, cells);
}

std::string TablesJson(const TablesStatus& tables) {
  Json files = Json::array();
  for (const auto& file : tables.files) {
    files.push_back({{"path", file.path},
                     {"build_id", file.build_id},
                     {"pages", file.pages},
                     {"bytes", file.bytes},
                     {"note", file.note}});
  }
  Json counters = Json::object();
  for (const auto& [name, value] : tables.counters) counters[name] = value;
  return Dump({{"memory_bytes", tables.memory_bytes},
               {"memory_limit_bytes", tables.memory_limit_bytes},
               {"bpf_map_bytes", tables.bpf_map_bytes},
               {"counters", counters},
               {"files", files}});
}

std::string QueueText(const std::vector<QueueRow>& queues, const std::vector<ExporterStatus>& exporters,
                      absl::Time now) {
  std::vector<std::vector<std::string>> cells;
  for (const QueueRow& queue : queues) {
    const std::string oldest = queue.oldest == absl::InfiniteFuture() ? "-" : AgoText(queue.oldest, now);
    const std::string capacity = queue.capacity > 0 ? Count(queue.capacity) : "no limit";
    cells.push_back({queue.exporter, Count(queue.size), capacity, queue.unit,
                     BytesText(static_cast<uint64_t>(std::max<int64_t>(queue.bytes, 0))), Count(queue.in_flight),
                     oldest, Count(queue.dropped_samples), queue.storage.empty() ? "memory" : queue.storage});
  }
  return TextTable(
             {"queue of", ">size", ">of", "unit", ">bytes", ">under way", "oldest", ">dropped samples", "kept in"},
             cells) +
         "\n" + TextTable(kExporterTitles, ExporterRows(exporters, now));
}

std::string QueueJson(const std::vector<QueueRow>& queues, const std::vector<ExporterStatus>& exporters) {
  Json queue_list = Json::array();
  for (const QueueRow& queue : queues) {
    queue_list.push_back({{"exporter", queue.exporter},
                          {"size", queue.size},
                          {"capacity", queue.capacity},
                          {"unit", queue.unit},
                          {"bytes", queue.bytes},
                          {"in_flight", queue.in_flight},
                          {"oldest", TimeJson(queue.oldest)},
                          {"storage", queue.storage},
                          {"dropped_samples", queue.dropped_samples}});
  }
  Json exporter_list = Json::array();
  for (const ExporterStatus& exporter : exporters) exporter_list.push_back(ExporterJson(exporter));
  return Dump({{"queues", queue_list}, {"exporters", exporter_list}});
}

std::string GovernorText(const GovernorStatus& governor) {
  const std::string cpu_limit =
      governor.cpu_limit_percent > 0 ? fmt::format("{:.2f} %", governor.cpu_limit_percent) : "no limit";
  const std::string memory_limit =
      governor.memory_limit_bytes > 0 ? BytesText(governor.memory_limit_bytes) : "no limit";
  std::string out =
      fmt::format("level   {}, since {}\ncpu     {:.2f} % of the machine; limit: {}\nmemory  {}; limit: {}\n",
                  VisibleText(governor.level), TimeText(governor.since), governor.cpu_percent, cpu_limit,
                  BytesText(governor.memory_bytes), memory_limit);
  if (!governor.steps.empty()) out += "\n";
  for (const auto& step : governor.steps) out += fmt::format("{}  {}\n", TimeText(step.time), VisibleText(step.what));
  return out;
}

std::string GovernorJson(const GovernorStatus& governor) {
  Json steps = Json::array();
  for (const auto& step : governor.steps) steps.push_back({{"time", TimeJson(step.time)}, {"what", step.what}});
  return Dump({{"cpu_limit_percent", governor.cpu_limit_percent},
               {"cpu_percent", governor.cpu_percent},
               {"memory_limit_bytes", governor.memory_limit_bytes},
               {"memory_bytes", governor.memory_bytes},
               {"level", governor.level},
               {"since", TimeJson(governor.since)},
               {"steps", steps}});
}

}  // namespace kiln::agent
