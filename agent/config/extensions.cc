// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "agent/config/client_fields.h"
#include "agent/config/components.h"

namespace kiln::agent::config {
namespace {

using pipeline::FileStorageSettings;

template <typename Settings>
Settings& Entry(AgentConfig& config, const std::string& id) {
  const auto [at, is_new] = config.extensions.try_emplace(id);
  if (is_new) at->second.emplace<Settings>();
  return std::get<Settings>(at->second);
}

// One of `key` and `key_file` must be given.
void ExactlyOne(Fields& f, std::string_view a, const std::string& a_value, std::string_view b,
                const std::string& b_value) {
  if (a_value.empty() && b_value.empty()) f.Error("", fmt::format("{} (or {}) is missing", a, b));
  if (!a_value.empty() && !b_value.empty())
    f.Error(b, fmt::format("{} and {} are both given; only one can hold", a, b));
}

void FileStorageFields(Fields& f, const std::string& id, AgentConfig& config) {
  auto& storage = Entry<FileStorageSettings>(config, id);
  f.Text("directory", storage.directory);
  if (storage.directory.empty()) f.Error("directory", "directory is missing");
  f.Bool("create_directory", storage.create_directory);
  f.Bool("fsync", storage.fsync);
  f.Duration("timeout", storage.timeout, absl::ZeroDuration(), absl::Hours(1));
  f.Int("max_size_mib", storage.max_size_mib, 1, int64_t{1} << 24);
  f.Inert("directory_permissions", "the folder is made for its owner only");
  f.Inert("recreate", "a damaged store is set aside by itself");
  f.Sub("compaction", [](Fields& compaction) {
    for (const char* key :
         {"on_start", "on_rebound", "directory", "rebound_needed_threshold_mib", "rebound_trigger_threshold_mib",
          "max_transaction_size", "check_interval", "cleanup_on_start"}) {
      compaction.Inert(key, "the store gives room back by itself");
    }
  });
}

void BearerFields(Fields& f, const std::string& id, AgentConfig& config) {
  auto& bearer = Entry<BearerTokenSettings>(config, id);
  f.Text("scheme", bearer.scheme);
  f.Text("token", bearer.token, TextKind::kSecret);
  f.Text("filename", bearer.filename);
  ExactlyOne(f, "token", bearer.token, "filename", bearer.filename);
  f.Refused("tokens", "only for servers, which kiln is not yet");
  f.Refused("header", "kiln sends tokens in the header Authorization only", "Authorization");
}

void BasicFields(Fields& f, const std::string& id, AgentConfig& config) {
  auto& basic = Entry<BasicAuthSettings>(config, id);
  f.Sub("client_auth", [&](Fields& client) {
    client.Text("username", basic.username);
    client.Text("password", basic.password, TextKind::kSecret);
    client.Text("password_file", basic.password_file);
    client.Refused("username_file", "kiln reads the user's name from the configuration only");
    if (basic.username.empty()) client.Error("", "username is missing");
    ExactlyOne(client, "password", basic.password, "password_file", basic.password_file);
  });
  f.Refused("htpasswd", "only for servers, which kiln is not yet");
}

void OAuth2Fields(Fields& f, const std::string& id, AgentConfig& config) {
  auto& oauth2 = Entry<OAuth2Settings>(config, id);
  f.Text("client_id", oauth2.client_id);
  f.Text("client_id_file", oauth2.client_id_file);
  f.Text("client_secret", oauth2.client_secret, TextKind::kSecret);
  f.Text("client_secret_file", oauth2.client_secret_file);
  f.Text("token_url", oauth2.token_url, TextKind::kUrl);
  f.Texts("scopes", oauth2.scopes);
  f.Map("endpoint_params", oauth2.endpoint_params, MapKind::kParams);
  f.Duration("timeout", oauth2.timeout, absl::ZeroDuration(), absl::Hours(1));
  f.Duration("expiry_buffer", oauth2.expiry_buffer, absl::ZeroDuration(), absl::Hours(24));
  f.Sub("tls", [&](Fields& tls) { TlsClientFields(tls, oauth2.tls); });
  f.Refused("grant_type", "kiln knows the grant client_credentials only", "client_credentials");
  ExactlyOne(f, "client_id", oauth2.client_id, "client_id_file", oauth2.client_id_file);
  ExactlyOne(f, "client_secret", oauth2.client_secret, "client_secret_file", oauth2.client_secret_file);
  if (oauth2.token_url.empty()) return f.Error("token_url", "token_url is missing");
  if (const std::string fault = FaultOfEndpoint(ClientKind::kHttp, oauth2.token_url); !fault.empty()) {
    f.Error("token_url", fault);
  }
}

// kiln's own health is beside its own metrics, at an address that is there without any extension.
void HealthCheckFields(Fields& f, const std::string&, AgentConfig&) {
  std::string text;
  f.Text("endpoint", text);
  f.Text("path", text);
  f.Sub("tls", [](Fields& tls) { TlsServerFields(tls); });
  f.Sub("response_body", [&](Fields& body) {
    body.Text("healthy", text);
    body.Text("unhealthy", text);
  });
  f.Sub("check_collector_pipeline", [&](Fields& check) {
    bool enabled = false;
    int64_t threshold = 5;
    absl::Duration interval;
    check.Bool("enabled", enabled);
    check.Duration("interval", interval, absl::ZeroDuration(), absl::Hours(24));
    check.Int("exporter_failure_threshold", threshold, 0, 1 << 20);
  });
}

}  // namespace

const ComponentType kFileStorageType = {
    .kind = ComponentKind::kExtension, .type = "file_storage", .fields = FileStorageFields};
const ComponentType kBearerTokenAuthType = {
    .kind = ComponentKind::kExtension, .type = "bearertokenauth", .fields = BearerFields};
const ComponentType kBasicAuthType = {.kind = ComponentKind::kExtension, .type = "basicauth", .fields = BasicFields};
const ComponentType kOAuth2ClientType = {
    .kind = ComponentKind::kExtension, .type = "oauth2client", .fields = OAuth2Fields};
const ComponentType kHealthCheckType = {
    .kind = ComponentKind::kExtension,
    .type = "health_check",
    .unbuilt =
        "kiln has no extension health_check: it answers /healthz and /readyz at service.telemetry.metrics.address; "
        "remove this and point the probes there",
    .fields = HealthCheckFields};

}  // namespace kiln::agent::config
