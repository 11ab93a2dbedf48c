// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kiln::exporters {

// "kiln/VERSION OTel-OTLP-Exporter-Cpp/VERSION": https://opentelemetry.io/docs/specs/otel/protocol/exporter/#user-agent
inline std::string UserAgent() { return "kiln/" KILN_VERSION " OTel-OTLP-Exporter-Cpp/" KILN_VERSION; }

}  // namespace kiln::exporters
