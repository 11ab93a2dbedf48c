// SPDX-License-Identifier: Apache-2.0
// The metrics of the profiler (docs/metrics.md), read from the session's status when they are asked for.
#include "agent/daemon/profile_source.h"

namespace kiln::agent {
namespace {

struct CounterText {
  const char* name;
  std::string_view kind;
  const char* description;
};

constexpr CounterText kCounters[] = {
#define KILN_COUNTER(identifier, name, kind, description) {name, #kind, description},
#include "bpf/counters.def"
#undef KILN_COUNTER
};

}  // namespace

void ProfileSource::RegisterMetrics() {
  const auto add = [this](MetricKind kind, std::string_view name, std::string_view help, MetricLabels labels,
                          double (*read)(const SessionStatus&)) {
    registrations_.push_back(
        metrics_.AddCallback(kind, name, help, std::move(labels), [this, read] { return read(status()); }));
  };
  constexpr auto kCounter = MetricKind::kCounter;
  constexpr auto kGauge = MetricKind::kGauge;
  add(kCounter, "kiln_profiling_samples_total", "Samples that reached the agent.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.samples); });
  add(kCounter, "kiln_profiling_complete_samples_total", "Samples whose stacks reach their root.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.complete); });
  add(kCounter, "kiln_profiling_dropped_samples_total", "Samples of processes that relabel rules leave out.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.unwanted); });
  add(kCounter, "kiln_profiling_filtered_samples_total", "Samples that were left out on purpose.", {{"reason", "self"}},
      [](const SessionStatus& s) { return static_cast<double>(s.own); });
  add(kGauge, "kiln_profiling_frequency_hertz", "Samples per second and CPU in force; 0 = paused.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.frequency_hz); });
  add(kGauge, "kiln_profiling_processes", "Program images that are kept.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.processes); });
  add(kGauge, "kiln_profiling_object_files", "Object files that are kept open.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.object_files); });
  add(kGauge, "kiln_bpf_map_bytes", "Memory of all BPF maps.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.map_bytes); });
  add(kGauge, "kiln_unwind_table_bytes", "Memory of unwind tables, part of kiln_bpf_map_bytes.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.table_memory_bytes); });
  add(kCounter, "kiln_unwind_evicted_pages_total", "Pages of unwind tables that had to make room.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.tables.evicted_pages); });
  add(kCounter, "kiln_unwind_refused_pages_total", "Times that there was no room for a page.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.tables.refused_pages); });
  add(kCounter, "kiln_unwind_copied_stacks_total", "Stacks that were copied because tables were missing.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.unwind.copied); });
  add(kCounter, "kiln_profiling_lost_events_total", "Process events that the kernel lost.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.process_counts.side_band_lost); });
  add(kCounter, "kiln_profiling_lost_samples_total", "Samples that should be in a profile and are not.",
      {{"reason", "undecodable"}},
      [](const SessionStatus& s) { return static_cast<double>(s.decode.malformed + s.decode.unknown_identity); });
  add(kCounter, "kiln_bpf_cpu_seconds_total", "Time that taking samples took in the kernel.", {},
      [](const SessionStatus& s) { return static_cast<double>(s.counters[KILN_COUNTER_RUN_NS]) / 1e9; });
  for (size_t i = 0; i < KILN_COUNTER_COUNT; ++i) {
    const CounterText& counter = kCounters[i];
    const char* name = counter.kind == "LOSS"       ? "kiln_profiling_lost_samples_total"
                       : counter.kind == "FILTERED" ? "kiln_profiling_filtered_samples_total"
                                                    : nullptr;
    if (name == nullptr) continue;
    const char* help = counter.kind == "LOSS" ? "Samples that should be in a profile and are not."
                                              : "Samples that were left out on purpose.";
    registrations_.push_back(metrics_.AddCallback(kCounter, name, help, {{"reason", counter.name}},
                                                  [this, i] { return static_cast<double>(status().counters[i]); }));
  }
  registrations_.push_back(metrics_.AddCallback(kGauge, "kiln_naming_cache_bytes",
                                                "Memory of names, perf maps and the kernel's symbols.", {},
                                                [this] { return static_cast<double>(worker_->cached_bytes()); }));
  for (int i = 0; i < kIndexStateCount; ++i) {
    const auto state = static_cast<IndexState>(i);
    registrations_.push_back(metrics_.AddCallback(
        kGauge, "kiln_debug_info_files", "Object files, by what became of their debug information.",
        {{"state", std::string(IndexStateId(state))}},
        [this, i] { return static_cast<double>(index_status().files[static_cast<size_t>(i)]); }));
  }
  registrations_.push_back(
      metrics_.AddCallback(kCounter, "kiln_debug_info_read_bytes_total", "Debug information that was read.", {},
                           [this] { return static_cast<double>(index_status().made_debug_bytes); }));
  registrations_.push_back(metrics_.AddCallback(kCounter, "kiln_debug_info_read_seconds_total",
                                                "Time that reading debug information took.", {},
                                                [this] { return index_status().made_seconds; }));
  registrations_.push_back(metrics_.AddCallback(kCounter, "kiln_naming_cpu_seconds_total",
                                                "CPU time for naming, encoding and handing over.", {},
                                                [this] { return worker_->cpu_seconds(); }));
}

}  // namespace kiln::agent
