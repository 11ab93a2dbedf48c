// SPDX-License-Identifier: Apache-2.0
#include "agent/config/client_fields.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "agent/config/report.h"
#include "agent/config/yaml_text.h"

namespace kiln::agent::config {
namespace {

constexpr std::string_view kOldCipher = "no forward secrecy, or too weak: it is not offered";
// Names of Go's crypto/tls. Those of TLS 1.3 are always on.
constexpr std::array kCipherSuites = {Choice{"TLS_AES_128_GCM_SHA256"},
                                      Choice{"TLS_AES_256_GCM_SHA384"},
                                      Choice{"TLS_CHACHA20_POLY1305_SHA256"},
                                      Choice{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
                                      Choice{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
                                      Choice{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
                                      Choice{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
                                      Choice{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
                                      Choice{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
                                      Choice{"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"},
                                      Choice{"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"},
                                      Choice{"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"},
                                      Choice{"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"},
                                      Choice{"TLS_RSA_WITH_AES_128_GCM_SHA256", kOldCipher},
                                      Choice{"TLS_RSA_WITH_AES_256_GCM_SHA384", kOldCipher},
                                      Choice{"TLS_RSA_WITH_AES_128_CBC_SHA", kOldCipher},
                                      Choice{"TLS_RSA_WITH_AES_256_CBC_SHA", kOldCipher},
                                      Choice{"TLS_RSA_WITH_RC4_128_SHA", kOldCipher},
                                      Choice{"TLS_RSA_WITH_3DES_EDE_CBC_SHA", kOldCipher},
                                      Choice{"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", kOldCipher},
                                      Choice{"TLS_ECDHE_RSA_WITH_RC4_128_SHA", kOldCipher},
                                      Choice{"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", kOldCipher}};

constexpr std::string_view kOldTls = "older than TLS 1.2, and not spoken";

void TlsVersionFields(Fields& f, TlsClientSettings& tls) {
  const std::string one_two = "1.2", one_three = "1.3", none;
  f.Enum("min_version", tls.min_version,
         {{"1.2", one_two}, {"1.3", one_three}, {"1.0", none, kOldTls}, {"1.1", none, kOldTls}});
  f.Enum("max_version", tls.max_version,
         {{"", none}, {"1.2", one_two}, {"1.3", one_three}, {"1.0", none, kOldTls}, {"1.1", none, kOldTls}});
  if (!tls.max_version.empty() && tls.max_version < tls.min_version) {
    f.Error("max_version", fmt::format("{} is below min_version {}", tls.max_version, tls.min_version));
  }
  f.ChooseSome("cipher_suites", kCipherSuites, tls.cipher_suites);
}

void OnlyOne(Fields& f, std::string_view a, const std::string& a_value, std::string_view b,
             const std::string& b_value) {
  if (!a_value.empty() && !b_value.empty())
    f.Error(b, fmt::format("{} and {} are both given; only one can hold", a, b));
}

void CompressionFields(Fields& f, ClientKind kind, Compression& compression) {
  using enum Compression;
  if (kind == ClientKind::kPyroscope) {
    f.Inert("compression", "the profiles in a push are compressed by themselves");
  } else {
    const bool is_grpc = kind == ClientKind::kGrpc;
    const std::string_view refused =
        is_grpc ? "kiln compresses gRPC by gzip only" : "kiln compresses by gzip and zstd only";
    f.Enum("compression", compression,
           {{"none", kNone},
            {"", kNone},
            {"gzip", kGzip},
            {"zstd", kZstd, is_grpc ? refused : std::string_view()},
            {"snappy", kNone, refused},
            {"x-snappy-framed", kNone, refused},
            {"zlib", kNone, refused},
            {"deflate", kNone, refused},
            {"lz4", kNone, refused}});
  }
  f.Inert("compression_params");
}

// Keys of the Collector's clients that only tune how its own library works.
void GrpcTuningFields(Fields& f) {
  f.Sub("keepalive", [](Fields& keepalive) {
    keepalive.Inert("time");
    keepalive.Inert("timeout");
    keepalive.Inert("permit_without_stream");
  });
  f.Inert("balancer_name", "one connection is used");
  f.Inert("wait_for_ready");
  f.Refused("authority", "kiln cannot send another :authority than the endpoint's");
  f.Refused("user_agent", "kiln cannot send another user agent");
}

void HttpTuningFields(Fields& f) {
  for (const char* key :
       {"max_idle_conns", "max_idle_conns_per_host", "max_conns_per_host", "idle_conn_timeout", "disable_keep_alives",
        "http2_read_idle_timeout", "http2_ping_timeout", "force_attempt_http2", "cookies"}) {
    f.Inert(key);
  }
}

bool IsPort(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

// Of host, host:port, [v6], [v6]:port.
std::string FaultOfAuthority(std::string_view authority, bool needs_port) {
  const size_t user = authority.rfind('@');
  if (user != std::string_view::npos) authority.remove_prefix(user + 1);
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return "[ is not closed";
  const size_t colon = authority.find(':', bracket);
  const std::string_view host = authority.substr(0, colon);
  if (colon != std::string_view::npos && authority.find(':', colon + 1) != std::string_view::npos) {
    return "an IPv6 address belongs into brackets, as in [::1]:4317";
  }
  if (host.empty()) return "the host is missing";
  if (host.find_first_of(" \t\"<>\\^`{|}") != std::string_view::npos) return fmt::format("{} is no host", Quoted(host));
  if (colon == std::string_view::npos) {
    return needs_port ? fmt::format("the port is missing; write {}:4317", host) : "";
  }
  const std::string_view port = authority.substr(colon + 1);
  return IsPort(port) ? "" : fmt::format("{} is no port from 1 to 65535", Quoted(port));
}

}  // namespace

void TlsClientFields(Fields& f, TlsClientSettings& tls) {
  f.Bool("insecure", tls.insecure);
  f.Bool("insecure_skip_verify", tls.insecure_skip_verify);
  f.Text("ca_file", tls.ca_file);
  f.Text("ca_pem", tls.ca_pem, TextKind::kSecret);
  f.Text("cert_file", tls.cert_file);
  f.Text("cert_pem", tls.cert_pem, TextKind::kSecret);
  f.Text("key_file", tls.key_file);
  f.Text("key_pem", tls.key_pem, TextKind::kSecret);
  f.Text("server_name_override", tls.server_name_override);
  TlsVersionFields(f, tls);
  f.Duration("reload_interval", tls.reload_interval, absl::ZeroDuration(), absl::Hours(24 * 365));
  OnlyOne(f, "ca_file", tls.ca_file, "ca_pem", tls.ca_pem);
  OnlyOne(f, "cert_file", tls.cert_file, "cert_pem", tls.cert_pem);
  OnlyOne(f, "key_file", tls.key_file, "key_pem", tls.key_pem);
  const bool has_cert = !tls.cert_file.empty() || !tls.cert_pem.empty();
  const bool has_key = !tls.key_file.empty() || !tls.key_pem.empty();
  if (has_cert && !has_key) f.Error("", "a certificate without its key: key_file (or key_pem) is missing");
  if (has_key && !has_cert) f.Error("", "a key without its certificate: cert_file (or cert_pem) is missing");
  f.Refused("include_system_ca_certs_pool", "kiln trusts either ca_file or the system's certificates, not both",
            "false");
  f.Refused("curve_preferences", "kiln cannot choose curves");
  f.Refused("tpm", "kiln cannot use keys of a TPM");
}

void TlsServerFields(Fields& f) {
  TlsClientSettings tls;
  std::string client_ca;
  bool reload = false;
  for (const char* key : {"ca_file", "cert_file", "key_file"}) f.Text(key, client_ca);
  for (const char* key : {"ca_pem", "cert_pem", "key_pem"}) f.Text(key, client_ca, TextKind::kSecret);
  f.Text("client_ca_file", client_ca);
  f.Bool("client_ca_file_reload", reload);
  TlsVersionFields(f, tls);
  f.Duration("reload_interval", tls.reload_interval, absl::ZeroDuration(), absl::Hours(24 * 365));
  f.Bool("include_system_ca_certs_pool", reload);
  std::vector<std::string> curves;
  f.Texts("curve_preferences", curves);
}

std::string FaultOfEndpoint(ClientKind kind, std::string_view endpoint) {
  const bool is_grpc = kind == ClientKind::kGrpc;
  const size_t separator = endpoint.find("://");
  if (separator == std::string_view::npos && is_grpc) {
    if (endpoint.starts_with("unix:")) return "kiln cannot dial a Unix socket";
    return FaultOfAuthority(endpoint.substr(0, endpoint.find('/')), /*needs_port=*/true);
  }
  if (separator == std::string_view::npos) {
    return fmt::format("{} has no scheme; write http:// or https:// in front", Quoted(RedactUrl(endpoint)));
  }
  const std::string_view scheme = endpoint.substr(0, separator);
  if (scheme != "http" && scheme != "https") {
    return fmt::format("the scheme {} is not known here; {}", Quoted(scheme),
                       is_grpc ? "write host:port, or http:// or https:// in front" : "http and https are");
  }
  const std::string_view rest = endpoint.substr(separator + 3);
  return FaultOfAuthority(rest.substr(0, rest.find_first_of("/?#")), /*needs_port=*/false);
}

void ClientFields(Fields& f, ClientKind kind, HttpClientSettings& client, std::string& authenticator) {
  f.Text("endpoint", client.endpoint, TextKind::kUrl);
  if (!client.endpoint.empty()) {
    if (const std::string fault = FaultOfEndpoint(kind, client.endpoint); !fault.empty()) f.Error("endpoint", fault);
  }
  f.Sub("tls", [&](Fields& tls) { TlsClientFields(tls, client.tls); });
  const bool has_scheme = client.endpoint.find("://") != std::string::npos;
  if (has_scheme && client.tls.insecure && client.endpoint.starts_with("https:")) {
    f.Warning("tls", "insecure has no effect: the endpoint begins with https://");
  }
  f.Map("headers", client.headers, MapKind::kHeaders);
  CompressionFields(f, kind, client.compression);
  f.Duration("timeout", client.timeout, absl::ZeroDuration(), absl::Hours(1));
  f.Text("proxy_url", client.proxy_url, TextKind::kUrl);
  f.Sub("auth", [&](Fields& auth) { auth.Text("authenticator", authenticator); });
  f.Inert("read_buffer_size");
  f.Inert("write_buffer_size");
  f.Refused("middlewares", "kiln has no middleware extensions");
  if (kind == ClientKind::kGrpc) {
    GrpcTuningFields(f);
  } else {
    HttpTuningFields(f);
  }
}

}  // namespace kiln::agent::config
