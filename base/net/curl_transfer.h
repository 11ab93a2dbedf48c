// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange on a handle.
#pragma once

#include <atomic>
#include <string>

#include "base/net/curl_handle.h"
#include "base/net/http_client.h"
#include "base/status.h"

namespace kiln {

// A URL's parts that count outside of libcurl.
struct UrlParts {
  bool tls = false;
  std::string host;  // without brackets
  int port = 0;      // the scheme's own if the URL has none
  std::string rest;  // path and query
  std::string HostAndPort() const;
};
// kInvalidArgument if `url` is not one, or neither http nor https. The message does not show it: it may hold a password.
StatusOr<UrlParts> ParseUrl(const std::string& url);

struct TransferOptions {
  std::string user_agent;
  std::string proxy;    // "" = none
  HttpHeaders headers;  // all of them; each name once
};

// Bounds of an answer: what is larger is not read on (kResourceExhausted).
inline constexpr size_t kMaxAnswerBytes = 4 << 20;
inline constexpr size_t kMaxAnswerHeaderBytes = 256 << 10;

// Sends `request` and waits for the answer. Ends with kCancelled when `cancelled` is set and the handle woken.
StatusOr<HttpResponse> RunTransfer(CurlHandle& handle, const HttpRequest& request, const UrlParts& url,
                                   const TransferOptions& options, const std::atomic<bool>& cancelled);

}  // namespace kiln
