// SPDX-License-Identifier: Apache-2.0
#include "agent/record/statistics.h"

#include <sys/resource.h>

#include <map>
#include <nlohmann/json.hpp>

namespace kiln::agent {
namespace {

struct CounterText {
  const char* name;
  const char* kind;
};

constexpr CounterText kCounters[] = {
#define KILN_COUNTER(identifier, name, kind, description) {name, #kind},
#include "bpf/counters.def"
#undef KILN_COUNTER
};

std::map<std::string, int64_t> StopReasons(const Aggregator& aggregator) {
  std::map<std::string, int64_t> reasons;
  for (const Aggregator::Count& count : aggregator.Counts()) {
    reasons[std::string(StopText(aggregator.stacks()[count.stack].located.stop))] += count.samples;
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

std::vector<std::pair<std::string, int64_t>> LossProperties(Session& session) {
  const SampleDecoder::Counts& decode = session.collector().decode_counts();
  const int64_t undecoded = static_cast<int64_t>(decode.malformed + decode.unknown_identity);
  std::vector<std::pair<std::string, int64_t>> properties;
  properties.emplace_back("kiln.samples.lost", LostSamples(session.counters()) + undecoded);
  const auto add = [&properties](std::string key, uint64_t value) {
    if (value != 0) properties.emplace_back(std::move(key), static_cast<int64_t>(value));
  };
  for (size_t i = 0; i < KILN_COUNTER_COUNT; ++i) {
    if (std::string_view(kCounters[i].kind) == "LOSS") {
      add(fmt::format("kiln.samples.lost.{}", kCounters[i].name), session.counters()[i]);
    }
  }
  add("kiln.samples.lost.malformed", decode.malformed);
  add("kiln.samples.lost.unknown_identity", decode.unknown_identity);
  add("kiln.children.not_followed", session.counters()[KILN_COUNTER_TARGETS_FULL]);
  add("kiln.processes.events_lost", session.processes().counts().side_band_lost);
  add("kiln.cpus.without_process_events", session.collector().cpus_without_side_band());
  add("kiln.processes.maps_unknown", session.processes().counts().maps_unknown);
  const Unwinder& unwinder = session.unwinder();
  properties.emplace_back("kiln.unwind.memory_bytes", unwinder.memory().chunk_bytes());
  properties.emplace_back("kiln.unwind.evictions", unwinder.table_counts().evicted_pages);
  add("kiln.unwind.pages_refused", unwinder.table_counts().refused_pages);
  add("kiln.unwind.pages_failed", unwinder.compiler_counts().failed_pages);
  add("kiln.unwind.processes_unknown", unwinder.counts().processes_full);
  add("kiln.unwind.stacks_not_awaited", unwinder.counts().not_awaited);
  add("kiln.unwind.samples_by_derived_rules", unwinder.counts().derived_samples);
  return properties;
}

std::string RenderStatistics(Session& session, const Costs& costs, const NamingCounts& naming) {
  const Aggregator& aggregator = session.aggregator();
  const SampleDecoder::Counts& decode = session.collector().decode_counts();
  nlohmann::ordered_json json;
  json["elapsed_seconds"] = costs.elapsed_seconds;
  json["samples"] = aggregator.samples();
  json["complete_samples"] = aggregator.complete_samples();
  json["distinct_stacks"] = aggregator.stacks().size();
  json["distinct_frames"] = session.locator().frames().size();
  json["threads"] = aggregator.threads().size();
  for (size_t i = 0; i < KILN_COUNTER_COUNT; ++i) json["bpf"][kCounters[i].name] = session.counters()[i];
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
  for (const auto& [reason, samples] : StopReasons(aggregator)) json["stop_reasons"][reason] = samples;
  json["frames"] = naming.frames;
  json["frames_unnamed"] = naming.missed;
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
