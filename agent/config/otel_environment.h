// SPDX-License-Identifier: Apache-2.0
// The variables of https://opentelemetry.io/docs/specs/otel/protocol/exporter/ (each OTEL_EXPORTER_OTLP_X, or
// OTEL_EXPORTER_OTLP_PROFILES_X, which goes first).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/config/config.h"
#include "agent/config/expand.h"

namespace kiln::agent::config {

// What an OTLP exporter's variables set, or could not.
struct OtelListener {
  std::function<void(std::string_view key, std::string_view variable)> set;  // of the exporter
  std::function<void(std::string_view variable, std::string message)> warn;  // it counts as unset
};

// Fills the settings of an OTLP exporter that has no endpoint, if the variables name one: endpoint, headers,
// compression, timeout, certificates, insecure. `is_given` tells which keys ("endpoint", "headers", "tls") the
// configuration has: those stay.
void ApplyOtelEnvironment(const Environment& environment, const std::function<bool(std::string_view key)>& is_given,
                          ExporterConfig& exporter, const OtelListener& listener);

// The type of exporter that OTEL_EXPORTER_OTLP_PROTOCOL asks for: "otlp" (grpc) or "otlphttp" (http/protobuf, also if
// it is unset); "" if it names anything else. Sets `variable` to the variable's name.
std::string_view OtelExporterType(const Environment& environment, std::string& variable);

// True if a variable names an endpoint.
bool HasOtelEndpoint(const Environment& environment);

}  // namespace kiln::agent::config
