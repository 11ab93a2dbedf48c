// SPDX-License-Identifier: Apache-2.0
#include "agent/session/losses.h"

#include <string_view>

namespace kiln::agent {
namespace {

struct CounterText {
  const char* name;
  std::string_view kind;
};

constexpr CounterText kCounters[] = {
#define KILN_COUNTER(identifier, name, kind, description) {name, #kind},
#include "bpf/counters.def"
#undef KILN_COUNTER
};

}  // namespace

int64_t LostSamples(const SamplerCounters& counters) {
  int64_t lost = 0;
  for (size_t i = 0; i < counters.size(); ++i) {
    if (kCounters[i].kind == "LOSS") lost += static_cast<int64_t>(counters[i]);
  }
  return lost;
}

NamedCounts ReadLosses(const SamplerCounters& counters, const Collector& collector, const ProcessTable& processes,
                       const Unwinder& unwinder) {
  const SampleDecoder::Counts& decode = collector.decode_counts();
  NamedCounts losses;
  const auto add = [&losses](std::string name, uint64_t count) {
    losses.emplace_back(std::move(name), static_cast<int64_t>(count));
  };
  add("kiln.samples.lost", static_cast<uint64_t>(LostSamples(counters)) + decode.malformed + decode.unknown_identity);
  for (size_t i = 0; i < counters.size(); ++i) {
    if (kCounters[i].kind == "LOSS") add(fmt::format("kiln.samples.lost.{}", kCounters[i].name), counters[i]);
  }
  add("kiln.samples.lost.malformed", decode.malformed);
  add("kiln.samples.lost.unknown_identity", decode.unknown_identity);
  add("kiln.children.not_followed", counters[KILN_COUNTER_TARGETS_FULL]);
  add("kiln.processes.events_lost", processes.counts().side_band_lost);
  add("kiln.cpus.without_process_events", collector.cpus_without_side_band());
  add("kiln.processes.maps_unknown", processes.counts().maps_unknown);
  add("kiln.unwind.pages_refused", unwinder.table_counts().refused_pages);
  add("kiln.unwind.pages_failed", unwinder.compiler_counts().failed_pages);
  add("kiln.unwind.processes_unknown", unwinder.counts().processes_full);
  add("kiln.unwind.stacks_not_awaited", unwinder.counts().not_awaited);
  add("kiln.unwind.samples_by_derived_rules", unwinder.counts().derived_samples);
  return losses;
}

NamedCounts LossesSince(const NamedCounts& before, const NamedCounts& now) {
  NamedCounts losses;
  for (size_t i = 0; i < now.size(); ++i) {
    const int64_t count = now[i].second - (before.empty() ? 0 : before[i].second);
    if (i == 0 || count != 0) losses.emplace_back(now[i].first, count);
  }
  return losses;
}

}  // namespace kiln::agent
