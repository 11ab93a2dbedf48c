// SPDX-License-Identifier: Apache-2.0
// OAuth2 client credentials (RFC 6749 section 4.4), as the Collector's extension oauth2client, which is Go's
// golang.org/x/oauth2: the client shows itself by basic authentication, or, if the server refuses that, in the form.
#pragma once

#include <functional>
#include <memory>

#include "base/net/auth_source.h"

namespace kiln {

// A monotonic clock, in nanoseconds.
using MonotonicClock = std::function<uint64_t()>;

// The source fetches a token when none is there or the one it has comes within `expiry_buffer` of its end. One that
// lives no longer than the buffer is used for half of its life: else each request would fetch one. Several requests
// that need a token at once share one fetch.
StatusOr<std::unique_ptr<AuthSource>> MakeOAuth2Source(const OAuth2Settings& settings,
                                                       const TransportFactory& make_transport);
StatusOr<std::unique_ptr<AuthSource>> MakeOAuth2Source(const OAuth2Settings& settings,
                                                       std::unique_ptr<HttpTransport> transport, MonotonicClock clock);

// The answer of a token endpoint (RFC 6749 section 5.1).
struct OAuth2Token {
  std::string header;         // "Bearer …"
  absl::Duration expires_in;  // infinite if the server did not say
};
// kUnauthenticated if it is not a token.
StatusOr<OAuth2Token> ParseOAuth2Token(std::string_view json);

}  // namespace kiln
