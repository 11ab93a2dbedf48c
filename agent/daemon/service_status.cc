// SPDX-License-Identifier: Apache-2.0
// What the pages ask a running agent. On the server's thread.
#include <unistd.h>

#include "agent/collect/online_cpus.h"
#include "agent/config/render.h"
#include "agent/daemon/service.h"

namespace kiln::agent {

AgentSummary Service::Summary() {
  AgentSummary summary{.version = KILN_VERSION, .started = started_, .exporters = exports_.ExporterRows()};
  const auto cpus = OnlineCpus();
  const std::lock_guard lock(mutex_);
  summary.stopping = stopping_;
  summary.reload = reload_;
  summary.warnings = warnings_;
  SamplingStatus& sampling = summary.sampling;
  sampling.cpus_online = cpus.ok() ? static_cast<int>(cpus->size()) : 0;
  if (source_ == nullptr) {
    sampling.wanted = reload_.succeeded == 0;  // or the agent is still starting
    sampling.reason = "the profiler is starting";
    return summary;
  }
  const SessionStatus status = source_->status();
  sampling.attached = status.error.empty();
  sampling.reason = status.error;
  sampling.cpus_sampled = sampling.attached ? sampling.cpus_online : 0;
  sampling.frequency_hz = status.frequency_hz;
  sampling.samples = status.samples;
  sampling.lost_samples = status.lost + static_cast<int64_t>(status.decode.malformed + status.decode.unknown_identity);
  sampling.complete_share = source_->last_complete_share();
  for (std::string& note : source_->naming_notes()) summary.warnings.push_back(std::move(note));
  return summary;
}

std::vector<ProcessRow> Service::Processes() {
  const std::lock_guard lock(mutex_);
  return source_ == nullptr ? std::vector<ProcessRow>() : source_->Processes();
}

TablesStatus Service::Tables() {
  const std::lock_guard lock(mutex_);
  if (source_ == nullptr) return {};
  const SessionStatus status = source_->status();
  TablesStatus tables{.memory_bytes = status.tables.page_bytes,
                      .memory_limit_bytes = status.table_budget_bytes,
                      .bpf_map_bytes = status.map_bytes,
                      .files = {}};
  const auto add = [&tables](const char* name, uint64_t value) {
    tables.counters.emplace_back(name, static_cast<int64_t>(value));
  };
  add("pages", status.tables.loaded_pages);
  add("pages evicted", status.tables.evicted_pages);
  add("pages refused for lack of room", status.tables.refused_pages);
  add("pages compiled", status.compiler.pages);
  add("pages taken from the disk", status.compiler.cached_pages);
  add("pages that could not be made", status.compiler.failed_pages);
  add("files compiled from", status.compiler.tables);
  add("files that could not be read", status.compiler.failed_tables);
  add("stacks copied", status.unwind.copied);
  add("stacks walked from copies", status.unwind.walked);
  add("processes told to the kernel side", status.unwind.processes);
  add("object files open", status.object_files);
  return tables;
}

GovernorStatus Service::Governor() {
  const std::lock_guard lock(mutex_);
  return governor_status_;
}

std::string Service::EffectiveConfig() {
  const std::lock_guard lock(mutex_);
  return config::RenderConfig(loaded_);
}

std::string Service::LastReload() {
  const std::lock_guard lock(mutex_);
  return reload_.message;
}

std::string Service::OneLine() {
  const AgentSummary summary = Summary();
  int accepted = 0;
  for (const ExporterStatus& exporter : summary.exporters) {
    accepted += exporter.last == ExporterStatus::Last::kAccepted ? 1 : 0;
  }
  return fmt::format("sampling {} CPUs at {} Hz, {} samples, {} lost; {} of {} exporters accept",
                     summary.sampling.cpus_sampled, summary.sampling.frequency_hz, summary.sampling.samples,
                     summary.sampling.lost_samples, accepted, summary.exporters.size());
}

}  // namespace kiln::agent
