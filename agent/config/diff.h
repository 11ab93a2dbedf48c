// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <set>
#include <string>
#include <vector>

#include "agent/config/config.h"

namespace kiln::agent::config {

enum class Change : uint8_t { kAdded, kRemoved, kChanged };

// A part of a receiver's settings that can be changed by itself.
enum class ReceiverPart : uint8_t {
  kFrequency,
  kWindow,
  kKinds,
  kKernelStacks,
  kUnwinding,  // unwind_memory, unwind_cache
  kDebugInfo,
  kFilters,
  kAttributes,  // of samples
  kResource,    // of processes
  kRelabel,
};

struct ReceiverChange {
  std::string id;
  Change change = Change::kChanged;
  std::set<ReceiverPart> parts;  // of kChanged; never empty then
  bool Only(ReceiverPart part) const { return change == Change::kChanged && parts == std::set{part}; }
};

struct ExporterChange {
  std::string id;
  Change change = Change::kChanged;
  // kChanged: the queue's storage is another one, or is set in another way: what waits in the old queue has to be moved
  // or sent.
  bool storage_changed = false;
};

// What is different between two configurations, in terms of what has to be done about it. Components that no pipeline
// uses are not there for this matter. Sorted by id.
struct ConfigDiff {
  std::vector<ReceiverChange> receivers;
  std::vector<ExporterChange> exporters;
  bool pipelines = false;      // which components are tied together
  bool logs = false;           // service.telemetry.logs
  bool metrics_level = false;  // service.telemetry.metrics.level
  bool metrics_address = false;
  bool telemetry_resource = false;
  bool limits = false;

  bool empty() const;
  // One line for each change, such as "exporters.otlp: changed", for a log. No values: they may be secrets.
  std::vector<std::string> Describe() const;
};

// Both must be right (LoadResult::ok).
ConfigDiff Diff(const AgentConfig& before, const AgentConfig& after);

}  // namespace kiln::agent::config
