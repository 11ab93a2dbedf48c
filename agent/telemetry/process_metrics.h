// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/metrics.h"

namespace kiln::agent {

// What the process as such costs, under the names of the OpenTelemetry Collector where the meaning is the same. In the
// registry as long as this lives; the numbers are taken when they are rendered.
//
//   otelcol_process_uptime             counter  seconds since `started`
//   otelcol_process_cpu_seconds_total  counter  user and system time of all threads; without BPF, see kiln_bpf_…
//   otelcol_process_memory_rss         gauge    bytes of resident memory
//   kiln_process_open_fds              gauge    open files
//   kiln_available_cpus                gauge    CPUs that the machine and the cgroup leave it
//   kiln_available_memory_bytes        gauge    likewise of memory
//   kiln_build_info                    gauge    1; labels version, arch
//   target_info                        gauge    1; labels: the attributes that SetTarget was given
//                                               (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/)
class ProcessMetrics {
 public:
  // `monotonic` since any moment; `started` by it.
  ProcessMetrics(MetricRegistry& registry, const std::string& version, std::function<absl::Duration()> monotonic);

  // Attributes of this agent, such as {"service.name", "kiln"}; none = no target_info. Thread-compatible.
  void SetTarget(const std::map<std::string, std::string>& attributes);

 private:
  MetricRegistry& registry_;
  MetricRegistry::Registration target_;
  std::vector<MetricRegistry::Registration> registrations_;
};

// Of this process; 0 where it can't be read.
double ProcessCpuSeconds();
double ResidentBytes();

}  // namespace kiln::agent
