// SPDX-License-Identifier: Apache-2.0
// The names of cipher suites: the Collector's configuration has those of Go's crypto/tls (which are IANA's), OpenSSL
// has its own.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace kiln {

// Lists as OpenSSL takes them, separated by colons; "" = its default.
struct CipherLists {
  std::string tls12;
  std::string tls13;
};

// `names` are those that Go calls secure (tls.CipherSuites()). None = both lists empty. kInvalidArgument for an unknown
// one, with all that are allowed.
StatusOr<CipherLists> OpenSslCiphers(const std::vector<std::string>& names);

}  // namespace kiln
