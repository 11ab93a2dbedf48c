// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace kiln::exporters {

// The endpoint of OTLP/gRPC as a URL without a path: "host:port", "http://host:port" (no TLS), "https://host:port"
// (TLS), each also behind "dns:///". The port is needed, as in the Collector. `insecure` decides where no scheme does.
// kInvalidArgument: anything else, with the forms that are allowed; user and password are never shown.
StatusOr<std::string> GrpcUrl(std::string_view endpoint, bool insecure);

// A base URL or endpoint of OTLP/HTTP: "http://…" or "https://…", or "host:port" with `insecure` for the scheme.
StatusOr<std::string> HttpUrl(std::string_view endpoint, bool insecure);

// `base` and a path of its own ("/v1/traces"), with one slash between.
std::string JoinUrl(std::string_view base, std::string_view path);

}  // namespace kiln::exporters
