// SPDX-License-Identifier: Apache-2.0
// Key "service".
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

#include "agent/config/components.h"
#include "agent/config/report.h"

namespace kiln::agent::config {
namespace {

using pipeline::Signal;

constexpr std::array kSignals = {Signal::kTraces, Signal::kMetrics, Signal::kLogs, Signal::kProfiles};

std::optional<Signal> SignalOf(std::string_view name) {
  for (const Signal signal : kSignals) {
    if (pipeline::SignalName(signal) == name) return signal;
  }
  return std::nullopt;
}

void PipelineFields(Fields& f, const std::string& id, AgentConfig& config) {
  const std::string fault = FaultOfId(id);
  const std::optional<Signal> signal = SignalOf(TypeOfId(id));
  if (!fault.empty() || !signal) {
    const std::string near = DidYouMean(TypeOfId(id), {"traces", "metrics", "logs", "profiles"});
    f.Error("", !fault.empty() ? fault
                               : fmt::format("{} is no signal{} Allowed: profiles, traces, metrics, logs",
                                             Quoted(TypeOfId(id)), near.empty() ? "." : near));
    return f.IgnoreRest();
  }
  PipelineConfig& pipeline = config.service.pipelines[id];
  pipeline.signal = *signal;
  f.Texts("receivers", pipeline.receivers);
  f.Texts("processors", pipeline.processors);
  f.Texts("exporters", pipeline.exporters);
  if (pipeline.receivers.empty()) f.Error("receivers", "a pipeline needs at least one receiver");
  if (pipeline.exporters.empty()) f.Error("exporters", "a pipeline needs at least one exporter");
  if (*signal != Signal::kProfiles) f.Error("", fmt::format("kiln has no pipelines of {} yet", TypeOfId(id)));
}

void LogFields(Fields& f, TelemetryConfig& telemetry) {
  f.Enum(
      "level", telemetry.log_level,
      {{"debug", LogLevel::kDebug}, {"info", LogLevel::kInfo}, {"warn", LogLevel::kWarn}, {"error", LogLevel::kError}});
  f.Enum("encoding", telemetry.log_encoding,
         {{"text", LogEncoding::kText}, {"json", LogEncoding::kJson}, {"console", LogEncoding::kText}});
  for (const char* key : {"development", "disable_caller", "disable_stacktrace", "error_output_paths", "sampling"}) {
    f.Inert(key);
  }
  f.Refused("output_paths", "kiln logs to stderr only", "stderr");
  f.Refused("initial_fields", "kiln cannot add fields to its log");
  f.Refused("processors", "kiln cannot send its log by OTLP");
}

// host:port, of which the host may be empty.
std::string FaultOfAddress(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return fmt::format("{} has no port; write host:port", Quoted(address));
  const std::string_view host = address.substr(0, colon), port = address.substr(colon + 1);
  int number = -1;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number < 0 || number > 65535) {
    return fmt::format("{} is no port from 0 to 65535", Quoted(port));
  }
  if (host.find(':') != std::string_view::npos && !(host.starts_with('[') && host.ends_with(']'))) {
    return "an IPv6 address belongs into brackets, as in [::1]:8888";
  }
  return "";
}

void PrometheusFields(Fields& f, std::string& address) {
  std::string host = "localhost";
  int64_t port = 8888;
  f.Text("host", host);
  f.Int("port", port, 0, 65535);
  for (const char* key : {"with_resource_constant_labels", "without_scope_info", "without_type_suffix", "without_units",
                          "translation_strategy"}) {
    f.Inert(key);
  }
  const bool is_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  address = is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

// The Collector's newer way to say the address.
void ReaderFields(Fields& f, std::optional<std::string>& address) {
  f.Refused("periodic", "kiln does not push its own metrics; a pull reader with the exporter prometheus is built");
  if (!f.Has("pull")) {
    if (!f.Has("periodic")) f.Error("", "pull is missing");
    return f.Sub("pull", [](Fields&) {});
  }
  f.Sub("pull", [&](Fields& pull) {
    pull.Sub("exporter", [&](Fields& exporter) {
      if (!exporter.Has("prometheus")) exporter.Error("", "prometheus is missing");
      const bool is_second = address.has_value();
      exporter.Sub("prometheus", [&](Fields& prometheus) { PrometheusFields(prometheus, address.emplace()); });
      if (is_second) exporter.Error("prometheus", "kiln serves its metrics at one address only");
    });
  });
}

void MetricFields(Fields& f, TelemetryConfig& telemetry) {
  using enum MetricsLevel;
  f.Enum("level", telemetry.metrics_level,
         {{"none", kNone}, {"basic", kBasic}, {"normal", kNormal}, {"detailed", kDetailed}});
  f.Text("address", telemetry.metrics_address);
  if (const std::string fault = FaultOfAddress(telemetry.metrics_address); !fault.empty()) f.Error("address", fault);
  if (f.Writes()) return;
  std::optional<std::string> address;
  const size_t count = f.Count("readers", 0);
  for (size_t i = 0; i < count; ++i) f.Item("readers", i, [&](Fields& reader) { ReaderFields(reader, address); });
  if (address && f.Has("address")) return f.Error("readers", "address and readers are both given; only one can hold");
  if (address) telemetry.metrics_address = *address;
  f.Refused("views", "kiln has no views");
}

void LimitFields(Fields& f, LimitsConfig& limits) {
  constexpr int64_t kMaxMib = int64_t{1} << 24;
  f.Number("cpu_percent", limits.cpu_percent, 0, 100);
  f.Int("memory_mib", limits.memory_mib, 0, kMaxMib);
  f.Int("bpf_memory_mib", limits.bpf_memory_mib, 0, kMaxMib);
  // Below these nothing would be left to measure with.
  const auto at_least = [&](std::string_view key, double value, double least) {
    if (value > 0 && value < least)
      f.Error(key, fmt::format("{} is too little: 0 (no limit) or from {}", value, least));
  };
  at_least("cpu_percent", limits.cpu_percent, 0.01);
  at_least("memory_mib", static_cast<double>(limits.memory_mib), 32);
  at_least("bpf_memory_mib", static_cast<double>(limits.bpf_memory_mib), 16);
}

}  // namespace

void ServiceFields(Fields& f, AgentConfig& config) {
  ServiceConfig& service = config.service;
  f.Texts("extensions", service.extensions);
  std::vector<std::string> ids;
  for (const auto& [id, unused] : service.pipelines) ids.push_back(id);
  f.Named("pipelines", ids, [&](Fields& pipeline, const std::string& id) { PipelineFields(pipeline, id, config); });
  f.Sub("telemetry", [&](Fields& telemetry) {
    telemetry.Sub("logs", [&](Fields& logs) { LogFields(logs, service.telemetry); });
    telemetry.Sub("metrics", [&](Fields& metrics) { MetricFields(metrics, service.telemetry); });
    telemetry.Map("resource", service.telemetry.resource);
    telemetry.Inert("traces", "kiln does not trace itself");
  });
  f.Sub("limits", [&](Fields& limits) { LimitFields(limits, service.limits); });
}

}  // namespace kiln::agent::config
