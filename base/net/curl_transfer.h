// SPDX-License-Identifier: Apache-2.0
// One HTTP/1.1 exchange on a handle.
#pragma once

#include <atomic>
#include <string>

#include "base/net/curl_handle.h"
#include "base/net/curl_options.h"
#include "base/net/http_client.h"
#include "base/status.h"

namespace kiln {

struct TransferOptions {
  std::string user_agent;
  std::string proxy;    // "" = none
  HttpHeaders headers;  // all of them; each name once
};

// Sends `request` by HTTP/1.1 and waits for the answer. Ends with kCancelled when `cancelled` is set and the handle
// woken.
StatusOr<HttpResponse> RunTransfer(CurlHandle& handle, const HttpRequest& request, const UrlParts& url,
                                   const TransferOptions& options, const std::atomic<bool>& cancelled);

// Runs the transfer that is set up, until it is over. libcurl's verdict, or CURLE_ABORTED_BY_CALLBACK if cancelled. The
// easy handle stays with the multi handle.
CURLcode Perform(CurlHandle& handle, const std::atomic<bool>& cancelled);

}  // namespace kiln
