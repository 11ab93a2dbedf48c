// SPDX-License-Identifier: Apache-2.0
// Certificates for tests of TLS, made on the spot.
#pragma once

#include <string>
#include <vector>

namespace kiln::testing {

struct TestCertificate {
  std::string cert_pem, key_pem;
};

// A certificate authority. All it makes is valid from yesterday to tomorrow (unless `expired`), with keys on P-256.
class TestAuthority {
 public:
  explicit TestAuthority(std::string name = "kiln test authority");

  const std::string& cert_pem() const { return own_.cert_pem; }

  // For a server or a client. `hosts`: DNS names and IP addresses.
  TestCertificate Issue(const std::string& common_name,
                        const std::vector<std::string>& hosts = {"127.0.0.1", "localhost"}, bool expired = false) const;

 private:
  std::string name_;
  TestCertificate own_;
};

}  // namespace kiln::testing
