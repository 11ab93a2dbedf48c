// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace kiln {

// Through which proxy a host is reached. The rules are those of Go's net/http (golang.org/x/net/http/httpproxy), which
// the Collector has: a configured proxy is always used; those of the environment never for localhost and loopback
// addresses, nor for what NO_PROXY names. Immutable.
class ProxyChooser {
 public:
  // The value of a variable of the environment; "" if unset.
  using Environment = std::function<std::string(const char* name)>;

  // `proxy_url`: http, https, socks5 or socks5h; "" = HTTPS_PROXY, HTTP_PROXY and NO_PROXY, or their lower-case forms.
  // Errors (kInvalidArgument) never show credentials.
  static StatusOr<ProxyChooser> Make(const std::string& proxy_url, const Environment& environment);

  // The proxy's URL; "" = directly. `host` without brackets.
  std::string For(bool tls, std::string_view host, int port) const;

 private:
  std::string always_;
  std::string http_, https_, no_proxy_;
};

// Whether NO_PROXY's list names the host: "*"; addresses and their ranges (10.0.0.0/8); names, which stand for their
// subdomains too (".example.com" and "*.example.com" for these only); each with an optional ":port".
bool MatchesNoProxy(std::string_view no_proxy, std::string_view host, int port);

}  // namespace kiln
