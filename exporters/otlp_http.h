// SPDX-License-Identifier: Apache-2.0
// OTLP/HTTP with protobuf: https://opentelemetry.io/docs/specs/otlp/#otlphttp
#pragma once

#include <memory>

#include "base/net/http_client.h"
#include "base/status.h"
#include "exporters/settings.h"
#include "pipeline/exporter.h"

namespace kiln::exporters {

// Sends batches of all signals, each by a POST: to the base URL with the signal's path, or to the URL that is given for
// the signal. Errors: what in the settings can't be, among them no endpoint at all. A batch of a signal that has none
// is refused for good.
StatusOr<std::unique_ptr<pipeline::Exporter>> MakeOtlpHttpExporter(const OtlpHttpSettings& settings);
// The same by another transport, which has headers, authorization and TLS of the settings as its own business.
StatusOr<std::unique_ptr<pipeline::Exporter>> MakeOtlpHttpExporter(const OtlpHttpSettings& settings,
                                                                   std::unique_ptr<HttpTransport> transport);

}  // namespace kiln::exporters
