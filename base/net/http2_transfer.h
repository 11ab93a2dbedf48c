// SPDX-License-Identifier: Apache-2.0
// One HTTP/2 exchange on a handle.
#pragma once

#include <atomic>

#include "base/net/curl_transfer.h"

namespace kiln {

struct Http2Result {
  StatusOr<HttpResponse> response;
  bool keep = false;   // the handle's connection can be used again
  bool again = false;  // a connection that was idle turned out to be dead, and the server has not seen the request
};

// Sends `request` by HTTP/2 and waits for the answer: on the connection that `handle` has from an earlier exchange,
// else on a new one (TLS: by ALPN, which must give h2; else from the first byte). Ends with kCancelled when `cancelled`
// is set and the handle woken. If not `keep`, throw the handle away.
Http2Result RunHttp2Transfer(CurlHandle& handle, const HttpRequest& request, const UrlParts& url,
                             const TransferOptions& options, const std::atomic<bool>& cancelled);

}  // namespace kiln
