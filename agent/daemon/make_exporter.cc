// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/make_exporter.h"

#include <variant>

#include "base/net/http_client.h"
#include "exporters/debug.h"
#include "exporters/file.h"
#include "exporters/otlp_grpc.h"
#include "exporters/otlp_http.h"
#include "exporters/pyroscope.h"
#include "exporters/user_agent.h"

namespace kiln::agent {
namespace {

using ExporterOr = StatusOr<std::unique_ptr<pipeline::Exporter>>;

struct Make {
  std::function<void(std::string_view)> debug_output;

  ExporterOr operator()(const exporters::OtlpGrpcSettings& settings) {
    return exporters::MakeOtlpGrpcExporter(settings);
  }
  ExporterOr operator()(const exporters::OtlpHttpSettings& settings) {
    return exporters::MakeOtlpHttpExporter(settings);
  }
  ExporterOr operator()(const exporters::PyroscopeSettings& settings) {
    KILN_ASSIGN_OR_RETURN(auto transport, MakeHttpTransport(settings.client, exporters::UserAgent()));
    return std::make_unique<exporters::PyroscopeExporter>(settings, std::move(transport));
  }
  ExporterOr operator()(const exporters::FileSettings& settings) { return exporters::FileExporter::Open(settings); }
  ExporterOr operator()(const exporters::DebugSettings& settings) {
    return std::make_unique<exporters::DebugExporter>(settings, std::move(debug_output));
  }
};

std::string WithoutSecrets(const std::string& url) {
  std::string shown = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = shown.find("://");
  const size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t slash = shown.find('/', host);
  const size_t at = shown.rfind('@', slash);
  if (at != std::string::npos && at > host) shown.erase(host, at + 1 - host);
  return shown;
}

struct Destination {
  std::string operator()(const exporters::OtlpGrpcSettings& settings) {
    return WithoutSecrets(settings.client.endpoint);
  }
  std::string operator()(const exporters::OtlpHttpSettings& settings) {
    return WithoutSecrets(settings.profiles_endpoint.empty() ? settings.client.endpoint : settings.profiles_endpoint);
  }
  std::string operator()(const exporters::PyroscopeSettings& settings) {
    return WithoutSecrets(settings.client.endpoint);
  }
  std::string operator()(const exporters::FileSettings& settings) { return settings.path; }
  std::string operator()(const exporters::DebugSettings&) { return "the log"; }
};

}  // namespace

ExporterOr MakeExporter(const config::ExporterSettings& settings, std::function<void(std::string_view)> debug_output) {
  return std::visit(Make{std::move(debug_output)}, settings);
}

std::string DestinationOf(const config::ExporterSettings& settings) { return std::visit(Destination{}, settings); }

}  // namespace kiln::agent
