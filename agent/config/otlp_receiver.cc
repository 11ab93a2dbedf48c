// SPDX-License-Identifier: Apache-2.0
// The receiver otlp: not built; its keys are checked all the same, so that a configuration can be got right before.
#include "agent/config/client_fields.h"
#include "agent/config/components.h"

namespace kiln::agent::config {
namespace {

constexpr int64_t kMaxMib = 1 << 12;
const absl::Duration kZero = absl::ZeroDuration();
const absl::Duration kYear = absl::Hours(24 * 365);

void ServerFields(Fields& f) {
  std::string endpoint, transport, authenticator;
  bool include_metadata = false;
  f.Text("endpoint", endpoint);
  f.Text("transport", transport);
  f.Sub("tls", [](Fields& tls) { TlsServerFields(tls); });
  f.Sub("auth", [&](Fields& auth) {
    std::vector<std::string> params;
    auth.Text("authenticator", authenticator);
    auth.Texts("request_params", params);
  });
  f.Bool("include_metadata", include_metadata);
  f.Inert("middlewares");
}

void KeepaliveFields(Fields& f) {
  absl::Duration duration;
  bool permit = false;
  f.Sub("server_parameters", [&](Fields& server) {
    for (const char* key :
         {"max_connection_idle", "max_connection_age", "max_connection_age_grace", "time", "timeout"}) {
      server.Duration(key, duration, kZero, kYear);
    }
  });
  f.Sub("enforcement_policy", [&](Fields& policy) {
    policy.Duration("min_time", duration, kZero, kYear);
    policy.Bool("permit_without_stream", permit);
  });
}

void GrpcFields(Fields& f) {
  int64_t number = 0;
  ServerFields(f);
  f.Int("max_recv_msg_size_mib", number, 0, kMaxMib);
  f.Int("max_concurrent_streams", number, 0, int64_t{1} << 32);
  f.Int("read_buffer_size", number, 0, int64_t{1} << 30);
  f.Int("write_buffer_size", number, 0, int64_t{1} << 30);
  f.Sub("keepalive", KeepaliveFields);
}

void HttpFields(Fields& f) {
  int64_t bytes = 0;
  absl::Duration duration;
  bool keep_alives = true;
  std::string path;
  std::vector<std::string> texts;
  std::vector<std::pair<std::string, std::string>> headers;
  ServerFields(f);
  f.Sub("cors", [&](Fields& cors) {
    for (const char* key : {"allowed_origins", "allowed_headers", "exposed_headers"}) cors.Texts(key, texts);
    cors.Int("max_age", bytes, 0, int64_t{1} << 31);
  });
  f.Int("max_request_body_size", bytes, 0, int64_t{1} << 40);
  f.Map("response_headers", headers, MapKind::kHeaders);
  f.Texts("compression_algorithms", texts);
  for (const char* key : {"read_timeout", "read_header_timeout", "write_timeout", "idle_timeout"}) {
    f.Duration(key, duration, kZero, kYear);
  }
  f.Bool("keep_alives_enabled", keep_alives);
  for (const char* key : {"traces_url_path", "metrics_url_path", "logs_url_path", "profiles_url_path"})
    f.Text(key, path);
}

void ReceiverFields(Fields& f, const std::string&, AgentConfig&) {
  bool any = false;
  f.Sub("protocols", [&](Fields& protocols) {
    any = protocols.Has("grpc") || protocols.Has("http");
    protocols.Sub("grpc", GrpcFields);
    protocols.Sub("http", HttpFields);
  });
  if (!any) f.Error("protocols", "names neither grpc nor http");
}

}  // namespace

const ComponentType kOtlpReceiverType = {.kind = ComponentKind::kReceiver,
                                         .type = "otlp",
                                         .unbuilt = "kiln cannot receive OTLP yet",
                                         .fields = ReceiverFields};

}  // namespace kiln::agent::config
