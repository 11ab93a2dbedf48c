// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/collect/sampler.h"
#include "base/status.h"

namespace kiln::agent {

// Why perf_event_open(2) failed for a sampling event on `cpu`, and what mends it.
Status PerfOpenError(int error_number, const SamplerOptions& options, int cpu);

// OK if the kernel's limits (perf_event_max_sample_rate) allow this frequency; the message names the limit and the
// command that raises it.
Status CheckFrequency(int frequency_hz);

}  // namespace kiln::agent
