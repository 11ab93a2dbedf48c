// SPDX-License-Identifier: Apache-2.0
// What Pyroscope's answers to a push mean.
#pragma once

#include <string>
#include <string_view>

#include "base/net/http_client.h"
#include "pipeline/exporter.h"

namespace kiln::exporters {

// The error of a Connect call (connectrpc.com/docs/protocol): JSON {"code": …, "message": …}, or, from a proxy or a
// middleware, any text, which is then the message.
struct ConnectError {
  std::string code;     // "invalid_argument" …; "" if the body has none
  std::string message;  // one line of printable UTF-8, at most 500 bytes
};

// Reads the body of an error answer. Never fails: hostile bytes become a harmless message.
ConnectError ParseConnectError(std::string_view body);

// What becomes of a push that was answered, seen from `now_unix_nano`.
//   200 with application/proto             delivered
//   200 with another type                  permanent: somebody else answers there
//   413, or a message about size limits    too large (also 400 and 429 with such a message)
//   408, 429, 5xx but 501 and 505          retryable, after Retry-After if there is one (Pyroscope sends none)
//   everything else                        permanent
// 500 is retryable: for a push Pyroscope answers what is wrong with the data itself by 400, so 500 (unknown, internal)
// is a failure of its storage, and most of these pass. What a retry costs: Pyroscope stores the series of a request
// independently of each other, so after an error some may be there already, and then count twice.
pipeline::ExportResult PushResult(const HttpResponse& response, int64_t now_unix_nano);

// What becomes of a push without an answer. Retryable, also with a certificate or token that is not accepted, since
// their files are read again when they change; permanent if the settings can't be right.
pipeline::ExportResult PushFailure(const Status& status);

}  // namespace kiln::exporters
