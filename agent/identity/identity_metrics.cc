// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/identity_metrics.h"

#include <string>

namespace kiln::agent::identity {

std::string_view NameOf(Part part) {
  switch (part) {
    case Part::kProcess: return "process";
    case Part::kStat: return "stat";
    case Part::kExecutable: return "executable";
    case Part::kCgroup: return "cgroup";
    case Part::kMounts: return "mounts";
    case Part::kEnvironment: return "environment";
    case Part::kCommandLine: return "command_line";
  }
  return "";
}

std::string_view NameOf(Miss miss) {
  switch (miss) {
    case Miss::kGone: return "gone";
    case Miss::kReused: return "pid_reused";
    case Miss::kDenied: return "denied";
    case Miss::kTooLarge: return "too_large";
    case Miss::kOther: return "other";
  }
  return "";
}

std::string_view NameOf(ServiceNameSource source) {
  switch (source) {
    case ServiceNameSource::kRelabel: return "relabel";
    case ServiceNameSource::kOtelServiceName: return "otel_service_name";
    case ServiceNameSource::kResourceAttributes: return "otel_resource_attributes";
    case ServiceNameSource::kContainerName: return "container_name";
    case ServiceNameSource::kSystemdUnit: return "systemd_unit";
    case ServiceNameSource::kExecutable: return "executable";
    case ServiceNameSource::kKernelThread: return "kernel_thread";
    case ServiceNameSource::kUnknown: return "unknown";
  }
  return "";
}

IdentityMetrics::IdentityMetrics(MetricRegistry& registry)
    : invalid_resource_attributes(
          registry.GetCounter("kiln_identity_invalid_resource_attributes_total",
                              "Processes whose OTEL_RESOURCE_ATTRIBUTES is damaged, so that none of it counts.")),
      overridden(registry.GetCounter("kiln_identity_attributes_overridden_total",
                                     "Attributes from a process's environment that kiln knew better or may not pass.")),
      shortened(registry.GetCounter("kiln_identity_values_shortened_total",
                                    "Resource attributes whose value was cut to 2048 bytes.")),
      over_limit(registry.GetCounter("kiln_identity_attributes_over_limit_total",
                                     "Resource attributes left out: more than max_attributes, or too long a key.")),
      dropped(registry.GetCounter("kiln_identity_processes_dropped_total",
                                  "Processes that a relabel rule (keep, drop) leaves out.")),
      inherited(registry.GetCounter("kiln_identity_processes_inherited_total",
                                    "Processes that were gone before they were read and count as their parent.")) {
  for (size_t part = 0; part < kParts; ++part) {
    for (size_t miss = 0; miss < kMisses; ++miss) {
      misses_[part][miss] = &registry.GetCounter("kiln_identity_unread_total",
                                                 "Parts of a process's identity that were not read, or not whole.",
                                                 {{"part", std::string(NameOf(static_cast<Part>(part)))},
                                                  {"reason", std::string(NameOf(static_cast<Miss>(miss)))}});
    }
  }
  for (size_t source = 0; source < kServiceNameSources; ++source) {
    sources_[source] =
        &registry.GetCounter("kiln_identity_service_names_total", "Processes by what gave them their service.name.",
                             {{"source", std::string(NameOf(static_cast<ServiceNameSource>(source)))}});
  }
}

}  // namespace kiln::agent::identity
