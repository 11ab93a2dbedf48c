// SPDX-License-Identifier: Apache-2.0
// Settings of HTTP clients (and, over them, gRPC ones), with the names, meanings and defaults of the OpenTelemetry
// Collector's confighttp, configgrpc, configtls and of its authenticator extensions.
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kiln {

// tls: … of a client.
struct TlsClientSettings {
  bool insecure = false;              // no TLS at all, where the endpoint's scheme does not decide
  bool insecure_skip_verify = false;  // TLS, but the server's certificate is not checked
  std::string ca_file, ca_pem;        // of the server; neither = the system's
  std::string cert_file, cert_pem;    // of the client (mTLS); with a key
  std::string key_file, key_pem;
  std::string server_name_override;  // what the server's certificate must name instead of the endpoint's host
  std::string min_version = "1.2";   // "1.2" or "1.3"
  std::string max_version;           // "" = the newest
  std::vector<std::string>
      cipher_suites;               // names of Go's crypto/tls (TLS_ECDHE_…), as in the Collector; none = default
  absl::Duration reload_interval;  // at the earliest after this are changed files read again; 0 = at each change
  friend bool operator==(const TlsClientSettings&, const TlsClientSettings&) = default;
};

// Who asks, by a header "Authorization".
struct BearerTokenSettings {
  std::string scheme = "Bearer";
  std::string token;
  std::string filename;  // instead of `token`; read again when it changes
  friend bool operator==(const BearerTokenSettings&, const BearerTokenSettings&) = default;
};
struct BasicAuthSettings {
  std::string username;
  std::string password;
  std::string password_file;
  friend bool operator==(const BasicAuthSettings&, const BasicAuthSettings&) = default;
};
// OAuth2 client credentials grant (RFC 6749 section 4.4), as the Collector's extension oauth2client.
struct OAuth2Settings {
  std::string client_id, client_id_file;
  std::string client_secret, client_secret_file;
  std::string token_url;
  std::vector<std::string> scopes;
  std::vector<std::pair<std::string, std::string>> endpoint_params;
  absl::Duration timeout = absl::Seconds(30);
  absl::Duration expiry_buffer = absl::Minutes(5);
  TlsClientSettings tls;
  friend bool operator==(const OAuth2Settings&, const OAuth2Settings&) = default;
};
// At most one is set.
struct AuthSettings {
  std::optional<BearerTokenSettings> bearer;
  std::optional<BasicAuthSettings> basic;
  std::optional<OAuth2Settings> oauth2;
  friend bool operator==(const AuthSettings&, const AuthSettings&) = default;
};

enum class Compression : uint8_t { kNone, kGzip, kZstd };

struct HttpClientSettings {
  std::string endpoint;  // see each exporter
  TlsClientSettings tls;
  std::string proxy_url;  // "" = HTTPS_PROXY, HTTP_PROXY, NO_PROXY of the environment
  std::vector<std::pair<std::string, std::string>> headers;
  Compression compression = Compression::kGzip;
  absl::Duration timeout = absl::Seconds(30);  // of one request
  AuthSettings auth;
  friend bool operator==(const HttpClientSettings&, const HttpClientSettings&) = default;
};

}  // namespace kiln
