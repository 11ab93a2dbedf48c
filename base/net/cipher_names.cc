// SPDX-License-Identifier: Apache-2.0
#include "base/net/cipher_names.h"

#include <algorithm>
#include <string_view>

namespace kiln {
namespace {

struct Suite {
  std::string_view name;     // of IANA and Go
  std::string_view openssl;  // see openssl-ciphers(1); from TLS 1.3 on both are the same
  bool tls13;
};

constexpr Suite kSuites[] = {
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", true},
    {"TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", true},
    {"TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", true},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA", false},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA", false},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", false},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", false},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", false},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", false},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", false},
};

void AppendTo(std::string& list, std::string_view name) {
  if (!list.empty()) list += ':';
  list += name;
}

}  // namespace

StatusOr<CipherLists> OpenSslCiphers(const std::vector<std::string>& names) {
  CipherLists lists;
  for (const std::string& name : names) {
    const auto suite = std::ranges::find(kSuites, name, &Suite::name);
    if (suite == std::end(kSuites)) {
      std::string allowed;
      for (const Suite& known : kSuites) allowed += (allowed.empty() ? "" : ", ") + std::string(known.name);
      return Error(absl::StatusCode::kInvalidArgument, "tls.cipher_suites: \"{}\" is not known; allowed are {}", name,
                   allowed);
    }
    AppendTo(suite->tls13 ? lists.tls13 : lists.tls12, suite->openssl);
  }
  return lists;
}

}  // namespace kiln
