// SPDX-License-Identifier: Apache-2.0
// Where the header "Authorization" of a client's requests comes from.
#pragma once

#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/net/http_client.h"
#include "base/net/settings.h"
#include "base/status.h"

namespace kiln {

struct Authorization {
  std::string value;   // of the header; "" = none. Secret: must not reach messages
  bool fresh = false;  // got for this request, so that another one would hardly help
};

// Thread-safe.
class AuthSource {
 public:
  virtual ~AuthSource() = default;
  // May ask the network, for `timeout` at most. Errors: kUnauthenticated, kUnavailable, kDeadlineExceeded, kCancelled.
  virtual StatusOr<Authorization> Get(absl::Duration timeout) = 0;
  // The server did not accept `refused`. True if Get may give another one now.
  virtual bool Refused(const Authorization& refused) { return false; }
  virtual void Cancel() {}
};

// Makes the client that asks for tokens.
using TransportFactory = std::function<StatusOr<std::unique_ptr<HttpTransport>>(const HttpClientSettings&)>;

// nullptr if `settings` ask for none. kInvalidArgument if they ask for several, lack something, or name a file that
// can't be read.
StatusOr<std::unique_ptr<AuthSource>> MakeAuthSource(const AuthSettings& settings,
                                                     const TransportFactory& make_transport);

// A secret that a person or a tool wrote into a file: without white space around it. kInvalidArgument if it is empty
// or holds control characters, which could break out of a header.
StatusOr<std::string> CleanSecret(std::string_view text, std::string_view name);

}  // namespace kiln
