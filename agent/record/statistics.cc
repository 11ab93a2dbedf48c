// SPDX-License-Identifier: Apache-2.0
#include "agent/record/statistics.h"

#include <sys/resource.h>

#include <map>
#include <nlohmann/json.hpp>

namespace kiln::agent {
namespace {

constexpr const char* kCounterNames[] = {
#define KILN_COUNTER(identifier, name, kind, description) name,
#include "bpf/counters.def"
#undef KILN_COUNTER
};

std::map<std::string, int64_t> StopReasons(const Aggregate& aggregate) {
  std::map<std::string, int64_t> reasons;
  for (const Aggregate::Count& count : aggregate.counts) {
    reasons[std::string(StopText(aggregate.stacks[count.stack].stop))] += count.samples;
  }
  return reasons;
}

nlohmann::ordered_json UnwindStatistics(const Unwinder& unwinder) {
  const Unwinder::Counts& counts = unwinder.counts();
  const UnwindTables::Counts& tables = unwinder.table_counts();
  const TableCompiler::Counts compiled = unwinder.compiler_counts();
  return {{"stacks_copied", counts.copied},
          {"stacks_walked", counts.walked},
          {"stacks_waited", counts.waited},
          {"stacks_not_awaited", counts.not_awaited},
          {"stacks_of_replaced_code", counts.replaced},
          {"samples_by_derived_rules", counts.derived_samples},
          {"processes_told", counts.processes},
          {"processes_not_told", counts.processes_full},
          {"memory_bytes", unwinder.memory().chunk_bytes()},
          {"used_bytes", unwinder.memory().allocated_bytes()},
          {"pages_loaded", tables.loaded_pages},
          {"page_bytes", tables.page_bytes},
          {"pages_evicted", tables.evicted_pages},
          {"pages_refused", tables.refused_pages},
          {"tables", compiled.tables},
          {"tables_failed", compiled.failed_tables},
          {"pages_compiled", compiled.pages},
          {"pages_cached", compiled.cached_pages},
          {"pages_failed", compiled.failed_pages},
          {"rows_compiled", compiled.rows},
          {"bytes_compiled", compiled.bytes},
          {"compile_cpu_seconds", compiled.cpu_seconds}};
}

}  // namespace

std::string RenderStatistics(Session& session, const Window& window, const Costs& costs, const NamingCounts& naming,
                             const LineIndexes::Status& indexes) {
  const Aggregator& aggregator = session.aggregator();
  const SampleDecoder::Counts& decode = session.collector().decode_counts();
  nlohmann::ordered_json json;
  json["elapsed_seconds"] = costs.elapsed_seconds;
  json["samples"] = aggregator.samples();
  json["complete_samples"] = aggregator.complete_samples();
  json["distinct_stacks"] = window.aggregate.stacks.size();
  json["distinct_frames"] = window.frames.size();
  json["threads"] = window.aggregate.threads.size();
  for (size_t i = 0; i < KILN_COUNTER_COUNT; ++i) json["bpf"][kCounterNames[i]] = session.counters()[i];
  json["bpf_run_time_ns"] = session.run_stats().run_time_ns;
  json["bpf_runs"] = session.run_stats().runs;
  json["malformed_records"] = decode.malformed;
  json["unknown_identities"] = decode.unknown_identity;
  json["filtered_by_comm_in_user_space"] = aggregator.comm_filtered();
  json["samples_before_exec"] = session.samples_before_exec();
  json["ring_bytes"] = session.collector().ring_bytes_read();
  json["map_bytes"] = session.map_bytes();
  json["maps_read"] = session.processes().counts().maps_read;
  json["maps_unknown"] = session.processes().counts().maps_unknown;
  json["side_band_lost"] = session.processes().counts().side_band_lost;
  json["cpu_changes"] = session.collector().cpu_changes();
  json["unwind"] = UnwindStatistics(session.unwinder());
  for (const auto& [reason, samples] : StopReasons(window.aggregate)) json["stop_reasons"][reason] = samples;
  json["frames"] = naming.frames;
  json["frames_unnamed"] = naming.missed;
  json["frames_native"] = naming.native;
  json["frames_without_lines"] = naming.without_lines;
  json["line_indexes"] = {{"made", indexes.made},
                          {"made_debug_bytes", indexes.made_debug_bytes},
                          {"cpu_seconds", indexes.cpu_seconds},
                          {"peak_rss_bytes", indexes.peak_rss_bytes}};
  const StageSeconds& stages = session.stages();
  json["cpu_seconds"] = {{"collect", stages.collect},         {"aggregate", stages.aggregate - stages.locate},
                         {"locate", stages.locate},           {"tables", costs.table_seconds},
                         {"name", costs.name_seconds},        {"encode", costs.encode_seconds},
                         {"own_total", costs.own_cpu_seconds}};
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  json["waits"] = usage.ru_nvcsw;  // how often a thread went to sleep
  json["peak_rss_bytes"] = int64_t{usage.ru_maxrss} * 1024;
  return json.dump(2) + "\n";
}

}  // namespace kiln::agent
