// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/net/settings.h"
#include "base/status.h"

namespace kiln {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "POST";
  std::string url;      // http:// or https://
  HttpHeaders headers;  // beside those of the settings; of equal names these win
  std::string_view body;
  absl::Duration timeout = absl::InfiniteDuration();
  // HTTP/2 and nothing else: over TLS by ALPN, without TLS from the first byte (h2c with prior knowledge). gRPC needs
  // it.
  bool http2_only = false;
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;   // names in lower case, in the order they came
  HttpHeaders trailers;  // likewise
  std::string body;

  // The first of this name (lower case) among headers and trailers.
  std::optional<std::string_view> Header(std::string_view name) const;
};

// What the exporters need of HTTP, so that tests can play it. Thread-safe.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  // Any status that the server answers is a response. Errors: kUnavailable (no connection, or lost before the answer
  // was whole), kDeadlineExceeded, kCancelled, kResourceExhausted (answer above the limit), kUnauthenticated (TLS: one
  // of the two certificates was not accepted; or no token could be had), kInvalidArgument (URL, certificate files).
  // The message names the URL's host and what to do.
  virtual StatusOr<HttpResponse> Send(const HttpRequest& request) = 0;
  // Requests under way, and all later ones, end soon with kCancelled.
  virtual void Cancel() = 0;
};

// The transport on libcurl: connections are kept and reused, also between threads; TLS, client certificates, proxies,
// authentication and headers as `settings` say (endpoint, compression and timeout of them are the caller's business).
// Certificate and token files are read again when they change. `user_agent` names kiln and its version. Errors: what in
// the settings can't be (unreadable files, unknown cipher suites).
StatusOr<std::unique_ptr<HttpTransport>> MakeHttpTransport(const HttpClientSettings& settings, std::string user_agent);

}  // namespace kiln
