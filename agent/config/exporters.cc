// SPDX-License-Identifier: Apache-2.0
#include "agent/config/client_fields.h"
#include "agent/config/components.h"

namespace kiln::agent::config {
namespace {

using exporters::DebugSettings;
using exporters::FileSettings;
using exporters::OtlpGrpcSettings;
using exporters::OtlpHttpSettings;
using exporters::PyroscopeSettings;

// gRPC servers and Pyroscope refuse messages above 4 MiB; what a message holds beside its samples needs some room.
constexpr int64_t kMaxRequestBytes = (int64_t{7} << 20) / 2;
constexpr int64_t kMaxRequestItems = 16'000;  // Pyroscope's limit of samples in one profile

// The entry of `id`, with the defaults of its kind if it is new, and its settings.
template <typename Settings>
std::pair<ExporterConfig&, Settings&> Entry(AgentConfig& config, const std::string& id) {
  const auto [at, is_new] = config.exporters.try_emplace(id);
  ExporterConfig& exporter = at->second;
  if (is_new) exporter.settings.emplace<Settings>();
  auto& settings = std::get<Settings>(exporter.settings);
  if constexpr (requires { settings.client; }) {
    if (is_new) exporter.path.max_request_bytes = kMaxRequestBytes;
    if (is_new) exporter.path.max_request_items = kMaxRequestItems;
  } else if (is_new) {
    exporter.path.queue.num_consumers = 1;  // one file: more would only wait for each other
    exporter.path.retry.enabled = false;
  }
  return {exporter, settings};
}

void ClientExporterFields(Fields& f, ClientKind kind, ExporterConfig& exporter, HttpClientSettings& client) {
  ClientFields(f, kind, client, exporter.authenticator);
  ExportPathFields(f, exporter.path);
  exporter.path.timeout = client.timeout;
}

void OtlpGrpcFields(Fields& f, const std::string& id, AgentConfig& config) {
  auto [exporter, settings] = Entry<OtlpGrpcSettings>(config, id);
  ClientExporterFields(f, ClientKind::kGrpc, exporter, settings.client);
}

void OtlpHttpFields(Fields& f, const std::string& id, AgentConfig& config) {
  auto [exporter, settings] = Entry<OtlpHttpSettings>(config, id);
  ClientExporterFields(f, ClientKind::kHttp, exporter, settings.client);
  const auto signal_endpoint = [&](std::string_view key, std::string& endpoint) {
    f.Text(key, endpoint, TextKind::kUrl);
    const std::string fault = endpoint.empty() ? "" : FaultOfEndpoint(ClientKind::kHttp, endpoint);
    if (!fault.empty()) f.Error(key, fault);
  };
  signal_endpoint("traces_endpoint", settings.traces_endpoint);
  signal_endpoint("metrics_endpoint", settings.metrics_endpoint);
  signal_endpoint("logs_endpoint", settings.logs_endpoint);
  signal_endpoint("profiles_endpoint", settings.profiles_endpoint);
  f.Refused("encoding", "kiln sends proto only", "proto");
}

void PyroscopeFields(Fields& f, const std::string& id, AgentConfig& config) {
  auto [exporter, settings] = Entry<PyroscopeSettings>(config, id);
  ClientExporterFields(f, ClientKind::kPyroscope, exporter, settings.client);
  f.Text("tenant_id", settings.tenant_id);
  f.Map("external_labels", settings.external_labels);
  f.Texts("labels", settings.labels);
}

void RotationFields(Fields& f, FileSettings::Rotation& rotation) {
  f.Bool("enabled", rotation.enabled);
  f.Int("max_megabytes", rotation.max_megabytes, 1, int64_t{1} << 30);
  f.Int("max_days", rotation.max_days, 0, 36'500);
  f.Int("max_backups", rotation.max_backups, 0, 1'000'000);
  f.Bool("localtime", rotation.localtime);
}

void FileFields(Fields& f, const std::string& id, AgentConfig& config) {
  using enum FileSettings::Format;
  auto [exporter, settings] = Entry<FileSettings>(config, id);
  f.Text("path", settings.path);
  if (settings.path.empty()) f.Error("path", "path is missing");
  f.Enum("format", settings.format, {{"json", kJson}, {"proto", kProto}, {"pprof", kPprof}});
  f.Enum("compression", settings.compression,
         {{"none", Compression::kNone}, {"", Compression::kNone}, {"zstd", Compression::kZstd}});
  f.Bool("append", settings.append);
  // As in the Collector: to name the section is to want it.
  settings.rotation.enabled = settings.rotation.enabled || f.Has("rotation");
  f.Sub("rotation", [&](Fields& rotation) { RotationFields(rotation, settings.rotation); });
  if (settings.append && settings.compression != Compression::kNone) {
    f.Error("append", "not together with compression");
  }
  if (settings.append && settings.rotation.enabled) f.Error("append", "not together with rotation");
  f.Inert("flush_interval", "each profile is written at once");
  f.Refused("encoding", "kiln has no encoding extensions");
  f.Refused("group_by", "kiln cannot write a file per resource");
  f.Refused("create_directory", "kiln does not make the folder of the file", "false");
  f.Inert("directory_permissions");
  f.Duration("timeout", exporter.path.timeout, absl::ZeroDuration(), absl::Hours(1));
  ExportPathFields(f, exporter.path);
}

void DebugFields(Fields& f, const std::string& id, AgentConfig& config) {
  using enum DebugSettings::Verbosity;
  auto [exporter, settings] = Entry<DebugSettings>(config, id);
  f.Enum("verbosity", settings.verbosity, {{"basic", kBasic}, {"normal", kNormal}, {"detailed", kDetailed}});
  f.Int("sampling_initial", settings.sampling_initial, 0, int64_t{1} << 30);
  f.Int("sampling_thereafter", settings.sampling_thereafter, 0, int64_t{1} << 30);
  f.Bool("use_internal_logger", settings.use_internal_logger);
  f.Refused("output_paths", "kiln writes to stdout only", "stdout");
  f.Duration("timeout", exporter.path.timeout, absl::ZeroDuration(), absl::Hours(1));
  ExportPathFields(f, exporter.path);
}

}  // namespace

const ComponentType kOtlpExporterType = {.kind = ComponentKind::kExporter, .type = "otlp", .fields = OtlpGrpcFields};
const ComponentType kOtlpGrpcExporterType = {
    .kind = ComponentKind::kExporter, .type = "otlp_grpc", .fields = OtlpGrpcFields};
const ComponentType kOtlpHttpExporterType = {
    .kind = ComponentKind::kExporter, .type = "otlphttp", .fields = OtlpHttpFields};
const ComponentType kOtlpHttpExporterAliasType = {
    .kind = ComponentKind::kExporter, .type = "otlp_http", .fields = OtlpHttpFields};
const ComponentType kPyroscopeExporterType = {.kind = ComponentKind::kExporter,
                                              .type = "pyroscope",
                                              .only = pipeline::Signal::kProfiles,
                                              .fields = PyroscopeFields};
const ComponentType kFileExporterType = {.kind = ComponentKind::kExporter, .type = "file", .fields = FileFields};
const ComponentType kDebugExporterType = {.kind = ComponentKind::kExporter, .type = "debug", .fields = DebugFields};

}  // namespace kiln::agent::config
