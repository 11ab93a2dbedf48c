// SPDX-License-Identifier: Apache-2.0
// What a process is called in every list of services, by the first of these that is known:
//   OTEL_SERVICE_NAME of the process, service.name in its OTEL_RESOURCE_ATTRIBUTES, the name of its container, its
//   systemd unit, "kernel" for kernel threads, its executable file (else its comm), "unknown_service".
#pragma once

#include <string>

#include "agent/identity/attribute.h"
#include "agent/identity/identity_metrics.h"
#include "agent/identity/process_facts.h"

namespace kiln::agent::identity {

struct ServiceName {
  std::string name;  // bytes as they were found; not empty
  ServiceNameSource source;
};

// Which sources count.
struct ServiceNameOptions {
  bool otel_environment = true;
  bool systemd_unit = true;
};

// `from_environment`: what OTEL_RESOURCE_ATTRIBUTES gave.
ServiceName ChooseServiceName(const ProcessFacts& facts, const Attributes& from_environment,
                              const ServiceNameOptions& options);

// The last component of the executable's path; its comm if there is no path.
std::string ExecutableName(const ProcessFacts& facts);

}  // namespace kiln::agent::identity
