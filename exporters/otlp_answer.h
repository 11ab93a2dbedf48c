// SPDX-License-Identifier: Apache-2.0
// Export…ServiceResponse of the four signals.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/batch.h"
#include "pipeline/exporter.h"

namespace kiln::exporters {

// Where a signal is sent to.
struct SignalAddress {
  std::string_view grpc_method;  // path of the gRPC method
  std::string_view http_path;
};
SignalAddress AddressOf(pipeline::Signal signal);

// What a server took of a batch.
struct PartialSuccess {
  int64_t rejected = 0;  // in the unit of the signal: spans, data points, log records, profiles
  std::string message;   // as sent, any bytes
};
// nullopt if `bytes` are no such message.
std::optional<PartialSuccess> ParsePartialSuccess(pipeline::Signal signal, std::string_view bytes);
// The same in OTLP's JSON.
std::optional<PartialSuccess> ParsePartialSuccessJson(pipeline::Signal signal, std::string_view json);

// Delivered, but for what was rejected. Servers count profiles, and a batch samples: which ones they are nobody tells,
// so that all samples of the batch are lost if all profiles were rejected, else as many as their share, rounded up.
pipeline::ExportResult ResultOfPartialSuccess(const pipeline::Batch& batch, const PartialSuccess& answer);

}  // namespace kiln::exporters
