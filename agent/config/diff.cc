// SPDX-License-Identifier: Apache-2.0
#include "agent/config/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace kiln::agent::config {
namespace {

std::string_view Name(Change change) {
  switch (change) {
    case Change::kAdded: return "added";
    case Change::kRemoved: return "removed";
    case Change::kChanged: return "changed";
  }
  return "";
}

std::string_view Name(ReceiverPart part) {
  switch (part) {
    case ReceiverPart::kFrequency: return "frequency";
    case ReceiverPart::kWindow: return "window";
    case ReceiverPart::kKinds: return "kinds";
    case ReceiverPart::kKernelStacks: return "kernel_stacks";
    case ReceiverPart::kUnwinding: return "unwind_memory or unwind_cache";
    case ReceiverPart::kDebugInfo: return "debug_info";
    case ReceiverPart::kFilters: return "filters";
    case ReceiverPart::kAttributes: return "attributes";
    case ReceiverPart::kResource: return "resource";
    case ReceiverPart::kRelabel: return "relabel";
  }
  return "";
}

std::set<ReceiverPart> ChangedParts(const ProfilingReceiver& a, const ProfilingReceiver& b) {
  using enum ReceiverPart;
  std::set<ReceiverPart> parts;
  const auto check = [&](ReceiverPart part, bool is_same) {
    if (!is_same) parts.insert(part);
  };
  check(kFrequency, a.frequency == b.frequency);
  check(kWindow, a.window == b.window);
  check(kKinds, a.kinds == b.kinds);
  check(kKernelStacks, a.kernel_stacks == b.kernel_stacks);
  check(kUnwinding, a.unwind_memory == b.unwind_memory && a.unwind_cache == b.unwind_cache);
  check(kDebugInfo, a.debug_info == b.debug_info);
  check(kFilters, a.filters == b.filters);
  check(kAttributes, a.attributes == b.attributes);
  check(kResource, a.resource == b.resource);
  check(kRelabel, a.relabel == b.relabel);
  return parts;
}

// The storage behind an exporter's queue; none = nullptr.
const ExtensionConfig* StorageOf(const AgentConfig& config, const ExporterConfig& exporter) {
  const auto found = config.extensions.find(exporter.path.queue.storage);
  return found == config.extensions.end() ? nullptr : &found->second;
}

bool SameStorage(const AgentConfig& before, const ExporterConfig& a, const AgentConfig& after,
                 const ExporterConfig& b) {
  const ExtensionConfig* old_storage = StorageOf(before, a);
  const ExtensionConfig* new_storage = StorageOf(after, b);
  if (a.path.queue.storage != b.path.queue.storage) return false;
  if (old_storage == nullptr || new_storage == nullptr) return old_storage == new_storage;
  return *old_storage == *new_storage;
}

// Calls added(id), removed(id) and kept(id) in the order of ids.
template <typename Added, typename Removed, typename Kept>
void Compare(const std::vector<std::string>& before, const std::vector<std::string>& after, Added added,
             Removed removed, Kept kept) {
  std::vector<std::string> all;
  std::set_union(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(all));
  for (const std::string& id : all) {
    const bool was = std::binary_search(before.begin(), before.end(), id);
    const bool is = std::binary_search(after.begin(), after.end(), id);
    if (was && is) {
      kept(id);
    } else if (is) {
      added(id);
    } else {
      removed(id);
    }
  }
}

}  // namespace

ConfigDiff Diff(const AgentConfig& before, const AgentConfig& after) {
  ConfigDiff diff;
  Compare(
      UsedReceivers(before), UsedReceivers(after),
      [&](const std::string& id) { diff.receivers.push_back({.id = id, .change = Change::kAdded}); },
      [&](const std::string& id) { diff.receivers.push_back({.id = id, .change = Change::kRemoved}); },
      [&](const std::string& id) {
        auto parts = ChangedParts(before.receivers.at(id), after.receivers.at(id));
        if (!parts.empty()) diff.receivers.push_back({.id = id, .parts = std::move(parts)});
      });
  Compare(
      UsedExporters(before), UsedExporters(after),
      [&](const std::string& id) { diff.exporters.push_back({.id = id, .change = Change::kAdded}); },
      [&](const std::string& id) { diff.exporters.push_back({.id = id, .change = Change::kRemoved}); },
      [&](const std::string& id) {
        const ExporterConfig& a = before.exporters.at(id);
        const ExporterConfig& b = after.exporters.at(id);
        const bool same_storage = SameStorage(before, a, after, b);
        // Which extension a token comes from does not matter: `auth` holds its settings.
        ExporterConfig comparable = b;
        comparable.authenticator = a.authenticator;
        if (a == comparable && same_storage) return;
        diff.exporters.push_back({.id = id, .storage_changed = !same_storage});
      });
  const TelemetryConfig &old_telemetry = before.service.telemetry, &new_telemetry = after.service.telemetry;
  diff.pipelines = before.service.pipelines != after.service.pipelines;
  diff.logs =
      old_telemetry.log_level != new_telemetry.log_level || old_telemetry.log_encoding != new_telemetry.log_encoding;
  diff.metrics_level = old_telemetry.metrics_level != new_telemetry.metrics_level;
  diff.metrics_address = old_telemetry.metrics_address != new_telemetry.metrics_address;
  diff.telemetry_resource = old_telemetry.resource != new_telemetry.resource;
  diff.limits = before.service.limits != after.service.limits;
  return diff;
}

bool ConfigDiff::empty() const { return Describe().empty(); }

std::vector<std::string> ConfigDiff::Describe() const {
  std::vector<std::string> lines;
  for (const ReceiverChange& receiver : receivers) {
    std::string line = fmt::format("receivers.{}: {}", receiver.id, Name(receiver.change));
    std::string separator = ": ";
    for (const ReceiverPart part : receiver.parts) line += std::exchange(separator, ", ") + std::string(Name(part));
    lines.push_back(std::move(line));
  }
  for (const ExporterChange& exporter : exporters) {
    lines.push_back(fmt::format("exporters.{}: {}{}", exporter.id, Name(exporter.change),
                                exporter.storage_changed ? ", with its storage" : ""));
  }
  const auto add = [&](bool changed, std::string_view name) {
    if (changed) lines.push_back(fmt::format("{}: changed", name));
  };
  add(pipelines, "service.pipelines");
  add(logs, "service.telemetry.logs");
  add(metrics_level, "service.telemetry.metrics.level");
  add(metrics_address, "service.telemetry.metrics.address");
  add(telemetry_resource, "service.telemetry.resource");
  add(limits, "service.limits");
  return lines;
}

}  // namespace kiln::agent::config
