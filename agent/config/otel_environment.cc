// SPDX-License-Identifier: Apache-2.0
#include "agent/config/otel_environment.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "agent/config/client_fields.h"
#include "agent/config/report.h"
#include "agent/config/scalars.h"

namespace kiln::agent::config {
namespace {

struct Variable {
  std::string name, value;
  bool is_of_signal = false;
};

// Empty counts as unset.
std::optional<Variable> Find(const Environment& environment, std::string_view what) {
  for (const bool is_of_signal : {true, false}) {
    const std::string name = fmt::format("OTEL_EXPORTER_OTLP_{}{}", is_of_signal ? "PROFILES_" : "", what);
    const auto found = environment.find(name);
    if (found != environment.end() && !found->second.empty()) return Variable{name, found->second, is_of_signal};
  }
  return std::nullopt;
}

std::string Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return std::string(text);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
  return -1;
}

// Percent decoding; what is no %XX stays as it is.
std::string Decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_escape =
        text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0;
    out += is_escape ? static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])) : text[i];
    if (is_escape) i += 2;
  }
  return out;
}

// "k=v,k2=v2", as W3C baggage without properties.
std::optional<std::vector<std::pair<std::string, std::string>>> ParseHeaders(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> headers;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    if (Trim(pair).empty()) continue;
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    std::string name = Decode(Trim(pair.substr(0, equals))), value = Decode(Trim(pair.substr(equals + 1)));
    const auto breaks = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
    if (name.empty() || std::any_of(name.begin(), name.end(), breaks) ||
        std::any_of(value.begin(), value.end(), breaks)) {
      return std::nullopt;
    }
    headers.emplace_back(std::move(name), std::move(value));
  }
  return headers;
}

void ApplyClient(const Environment& environment, const std::function<bool(std::string_view)>& is_given, ClientKind kind,
                 HttpClientSettings& client, const OtelListener& listener) {
  if (const auto headers = Find(environment, "HEADERS"); headers && !is_given("headers")) {
    if (auto parsed = ParseHeaders(headers->value)) {
      client.headers = *std::move(parsed);
      listener.set("headers", headers->name);
    } else {
      listener.warn(headers->name, "is not of the form name=value,name=value; it is not used");
    }
  }
  if (const auto compression = Find(environment, "COMPRESSION"); compression && !is_given("compression")) {
    const bool is_zstd = compression->value == "zstd" && kind == ClientKind::kHttp;
    if (compression->value == "gzip" || compression->value == "none" || is_zstd) {
      client.compression = is_zstd                        ? Compression::kZstd
                           : compression->value == "gzip" ? Compression::kGzip
                                                          : Compression::kNone;
      listener.set("compression", compression->name);
    } else {
      listener.warn(compression->name,
                    fmt::format("{} is not known; gzip and none are. It is not used", Quoted(compression->value)));
    }
  }
  if (const auto timeout = Find(environment, "TIMEOUT"); timeout && !is_given("timeout")) {
    const auto milliseconds = ParseInt(timeout->value);
    if (milliseconds && *milliseconds >= 0 && *milliseconds <= 3'600'000) {
      client.timeout = absl::Milliseconds(*milliseconds);
      listener.set("timeout", timeout->name);
    } else {
      listener.warn(timeout->name, fmt::format("{} is no number of milliseconds up to an hour; it is not used",
                                               Quoted(timeout->value)));
    }
  }
  if (is_given("tls")) return;
  const auto file = [&](std::string_view what, std::string& path, std::string_view key) {
    const auto variable = Find(environment, what);
    if (!variable) return;
    path = variable->value;
    listener.set(key, variable->name);
  };
  file("CERTIFICATE", client.tls.ca_file, "tls.ca_file");
  file("CLIENT_CERTIFICATE", client.tls.cert_file, "tls.cert_file");
  file("CLIENT_KEY", client.tls.key_file, "tls.key_file");
  if (client.tls.cert_file.empty() != client.tls.key_file.empty()) {
    listener.warn("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                  "and OTEL_EXPORTER_OTLP_CLIENT_KEY belong together; the one that is set is not used");
    client.tls.cert_file.clear();
    client.tls.key_file.clear();
  }
  if (const auto insecure = Find(environment, "INSECURE")) {
    client.tls.insecure = absl::EqualsIgnoreCase(insecure->value, "true");
    if (client.tls.insecure) listener.set("tls.insecure", insecure->name);
  }
}

}  // namespace

void ApplyOtelEnvironment(const Environment& environment, const std::function<bool(std::string_view key)>& is_given,
                          ExporterConfig& exporter, const OtelListener& listener) {
  auto* http = std::get_if<exporters::OtlpHttpSettings>(&exporter.settings);
  auto* grpc = std::get_if<exporters::OtlpGrpcSettings>(&exporter.settings);
  if ((http == nullptr && grpc == nullptr) || is_given("endpoint") || is_given("profiles_endpoint")) return;
  const auto endpoint = Find(environment, "ENDPOINT");
  if (!endpoint) return;
  const ClientKind kind = http != nullptr ? ClientKind::kHttp : ClientKind::kGrpc;
  HttpClientSettings& client = http != nullptr ? http->client : grpc->client;
  if (const std::string fault = FaultOfEndpoint(kind, endpoint->value); !fault.empty()) {
    return listener.warn(endpoint->name, fmt::format("{}; it is not used", fault));
  }
  // Of one signal it is the whole URL, in general what /v1… is added to.
  if (http != nullptr && endpoint->is_of_signal) {
    http->profiles_endpoint = endpoint->value;
    listener.set("profiles_endpoint", endpoint->name);
  } else {
    client.endpoint = endpoint->value;
    listener.set("endpoint", endpoint->name);
  }
  ApplyClient(environment, is_given, kind, client, listener);
  exporter.path.timeout = client.timeout;
}

std::string_view OtelExporterType(const Environment& environment, std::string& variable) {
  const auto protocol = Find(environment, "PROTOCOL");
  if (!protocol) return "otlphttp";
  variable = protocol->name;
  if (protocol->value == "grpc") return "otlp";
  return protocol->value == "http/protobuf" ? "otlphttp" : "";
}

bool HasOtelEndpoint(const Environment& environment) { return Find(environment, "ENDPOINT").has_value(); }

}  // namespace kiln::agent::config
