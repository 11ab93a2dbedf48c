// SPDX-License-Identifier: Apache-2.0
// What an answer, or the lack of one, means for a batch: the rules of the OTLP specification
// (https://opentelemetry.io/docs/specs/otlp/#failures and #failures-1), and beside them how servers tell that a message
// is too large, which the specification has no word for but which smaller pieces cure.
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <string_view>

#include "base/status.h"
#include "exporters/rpc_status.h"
#include "pipeline/exporter.h"

namespace kiln::exporters {

// What is shown of a server's words.
inline constexpr size_t kMaxShownBytes = 500;

// No answer. Retryable, also where a certificate or a token was not accepted, since their files are read again when
// they change; permanent if the request can't be sent or the answer not be read.
pipeline::ExportResult ResultOfFailure(const Status& status);

// CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE and DATA_LOSS are retryable, RESOURCE_EXHAUSTED with
// a RetryInfo only; OK is delivered, all else permanent. Too large: see IsAboutSize.
pipeline::ExportResult ResultOfGrpcStatus(const RpcStatus& status);

// 2xx is delivered, 413 too large, 429, 502, 503 and 504 retryable, all else permanent. 500 is so too: Pyroscope
// answers it for data that it can't convert.
pipeline::ExportResult::Outcome OutcomeOfHttpStatus(int status);

// Whether a message is one of those by which servers (grpc-go, grpc-java, gRPC's C core, .NET, tonic, connect-go,
// Envoy, Go's net/http) refuse a request for its size.
bool IsAboutSize(std::string_view message);

}  // namespace kiln::exporters
