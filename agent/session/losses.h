// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/collect/collector.h"
#include "agent/process/process_table.h"
#include "agent/unwind/unwinder.h"

namespace kiln::agent {

// Numbers by name. The name is a property of profiles: kiln.samples.lost …
using NamedCounts = std::vector<std::pair<std::string, int64_t>>;

// Sum of the counters of kind LOSS (bpf/counters.def).
int64_t LostSamples(const SamplerCounters& counters);

// Everything that was lost or cut since the start, as it stands now; always the same names in the same order. The first
// is kiln.samples.lost, the samples that are in no profile though they should be.
NamedCounts ReadLosses(const SamplerCounters& counters, const Collector& collector, const ProcessTable& processes,
                       const Unwinder& unwinder);

// What came to `now` since `before`, both of ReadLosses (or `before` empty), without zeros but for the first.
NamedCounts LossesSince(const NamedCounts& before, const NamedCounts& now);

}  // namespace kiln::agent
