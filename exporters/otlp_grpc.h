// SPDX-License-Identifier: Apache-2.0
// OTLP/gRPC: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
#pragma once

#include <memory>

#include "base/net/http_client.h"
#include "base/status.h"
#include "exporters/settings.h"
#include "pipeline/exporter.h"

namespace kiln::exporters {

// Sends batches of all signals to one server, each by a unary call of Export. Errors: what in the settings can't be.
StatusOr<std::unique_ptr<pipeline::Exporter>> MakeOtlpGrpcExporter(const OtlpGrpcSettings& settings);
// The same by another transport, which has headers, authorization and TLS of the settings as its own business.
StatusOr<std::unique_ptr<pipeline::Exporter>> MakeOtlpGrpcExporter(const OtlpGrpcSettings& settings,
                                                                   std::unique_ptr<HttpTransport> transport);

}  // namespace kiln::exporters
