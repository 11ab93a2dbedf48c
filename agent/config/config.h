// SPDX-License-Identifier: Apache-2.0
// What `kiln agent` was asked to do: one struct of plain values, with the shape and the names of the OpenTelemetry
// Collector's configuration. Made by LoadConfig (agent/config/load.h), which checked all of it; nothing that uses it
// needs to check again. Which key fills which member stands in the tables of this folder (…_fields.cc) and, for users,
// in docs/agent-configuration.md.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "exporters/settings.h"
#include "pipeline/batch.h"
#include "pipeline/settings.h"

namespace kiln::agent::config {

// Which threads are sampled. Kinds of filter that are given must all match, inside a kind one match is enough; none
// given = the whole host.
struct ProfilingFilters {
  std::vector<Pid> pids;  // host pids, 1 …; of processes that may not be there (any more)
  std::string comm;       // RE2, unanchored, on the comm of the thread and of its process; "" = all
  std::vector<std::string>
      cgroups;               // paths below the cgroup root, such as /system.slice/nginx.service, with what is below
  bool exclude_self = true;  // leave out kiln's own threads
  friend bool operator==(const ProfilingFilters&, const ProfilingFilters&) = default;
};

// Attributes of single samples. Off by default: each value makes a series of its own in many back ends.
struct ProfilingAttributes {
  bool thread_name = false;  // thread.name
  bool thread_id = false;    // thread.id
  friend bool operator==(const ProfilingAttributes&, const ProfilingAttributes&) = default;
};

// Attributes of the processes that profiles belong to.
struct ProfilingResource {
  bool process_command_line = false;  // process.command_line, redacted
  // RE2, unanchored, on command lines and environment variables, after the built-in rules (agent/identity/redaction.h).
  // What the groups match, or all that matches if there is no group, is replaced by [redacted]. At most 64.
  std::vector<std::string> redact;
  std::vector<std::string> environment_variables;  // of the processes; NAME becomes process.environment_variable.NAME
  bool otel_environment = true;                    // OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES of the processes
  bool systemd_unit_as_service = true;             // service.name = the unit, where nothing better names the service
  int64_t max_attributes = 24;                     // 1 … 128; Pyroscope takes 30 labels. The least telling go first
  friend bool operator==(const ProfilingResource&, const ProfilingResource&) = default;
};

// One step on a process's resource attributes; rules run in their order. `regex` is RE2, at most 1024 bytes, and must
// match the whole value of the attribute `source` (an attribute that is not there has the value ""). See
// agent/identity/relabel.h.
struct RelabelRule {
  enum class Action : uint8_t {
    kKeep,    // processes that do not match are not reported
    kDrop,    // processes that match are not reported
    kSet,     // if it matches, `target` = `value`, in which $1, ${name} and \1 stand for groups; "" takes it away
    kRemove,  // if it matches, `target` is taken away
  };
  Action action = Action::kKeep;
  std::string source;  // attribute key; "" only for set and remove: always matches
  std::string regex = ".*";
  std::string target;  // attribute key; set and remove
  std::string value;   // set
  friend bool operator==(const RelabelRule&, const RelabelRule&) = default;
};

// receivers: profiling[/name]. The profiler.
// Files, lines and inlined functions, from debug information.
struct ProfilingDebugInfo {
  bool enabled = true;
  std::vector<std::string> directories;      // with debug files, each laid out like /usr/lib/debug
  std::string cache;                         // folder of what was read; "" = the usual place, "none" = no such folder
  int64_t cache_size = int64_t{1} << 30;     // bytes of that folder, 16 MiB …; the least recently used go first
  int64_t memory = int64_t{256} << 20;       // bytes of the process that reads, 64 MiB … 64 GiB
  std::vector<std::string> debuginfod_urls;  // servers of debug files; none = nobody is asked. Read at the start only
  friend bool operator==(const ProfilingDebugInfo&, const ProfilingDebugInfo&) = default;
};

struct ProfilingReceiver {
  int64_t frequency = 19;                     // samples per second and CPU, 1 … 10000
  absl::Duration window = absl::Seconds(15);  // of one profile, 1 s … 10 min
  std::vector<std::string> kinds = {"cpu"};   // never empty
  bool kernel_stacks = true;                  // also the frames of the kernel
  int64_t unwind_memory =
      int64_t{24} << 20;     // bytes of unwind tables in the kernel, 4 MiB … 4 GiB; the coldest go first
  std::string unwind_cache;  // folder of compiled tables; "" = the usual place, "none" = no cache
  ProfilingDebugInfo debug_info;
  ProfilingFilters filters;
  ProfilingAttributes attributes;
  ProfilingResource resource;
  std::vector<RelabelRule> relabel;
  friend bool operator==(const ProfilingReceiver&, const ProfilingReceiver&) = default;
};

using ExporterSettings = std::variant<exporters::OtlpGrpcSettings, exporters::OtlpHttpSettings,
                                      exporters::PyroscopeSettings, exporters::FileSettings, exporters::DebugSettings>;

struct ExporterConfig {
  ExporterSettings settings;
  pipeline::ExportPathSettings path;
  // auth.authenticator: id of the extension that settings' client.auth was taken from; "" = none.
  std::string authenticator;
  friend bool operator==(const ExporterConfig&, const ExporterConfig&) = default;
};

// The settings of the client, or nullptr for exporters that have none.
HttpClientSettings* ClientOf(ExporterConfig& exporter);
const HttpClientSettings* ClientOf(const ExporterConfig& exporter);

using ExtensionConfig =
    std::variant<pipeline::FileStorageSettings, BearerTokenSettings, BasicAuthSettings, OAuth2Settings>;

// service.pipelines: SIGNAL[/name].
struct PipelineConfig {
  pipeline::Signal signal = pipeline::Signal::kProfiles;
  std::vector<std::string> receivers, processors, exporters;  // ids
  friend bool operator==(const PipelineConfig&, const PipelineConfig&) = default;
};

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogEncoding : uint8_t { kText, kJson };
enum class MetricsLevel : uint8_t { kNone, kBasic, kNormal, kDetailed };

// service.telemetry: what kiln tells about itself.
struct TelemetryConfig {
  LogLevel log_level = LogLevel::kInfo;
  LogEncoding log_encoding = LogEncoding::kText;
  MetricsLevel metrics_level = MetricsLevel::kNormal;  // kNone = no /metrics; health is served all the same
  std::string metrics_address = "127.0.0.1:8888";      // host:port (IPv6 in brackets); port 0 = any free one
  // Attributes of kiln itself. An empty value takes a default one away.
  std::vector<std::pair<std::string, std::string>> resource;
  friend bool operator==(const TelemetryConfig&, const TelemetryConfig&) = default;
};

// service.limits: kiln's own; what the agent may cost. 0 = no limit.
struct LimitsConfig {
  double cpu_percent = 0;      // of the whole machine: all online CPUs = 100; fractions allowed, 0.01 … 100
  int64_t memory_mib = 0;      // resident memory of the agent, 32 …
  int64_t bpf_memory_mib = 0;  // memory of its BPF maps, 16 …
  friend bool operator==(const LimitsConfig&, const LimitsConfig&) = default;
};

struct ServiceConfig {
  std::vector<std::string> extensions;              // ids
  std::map<std::string, PipelineConfig> pipelines;  // by id; at least one
  TelemetryConfig telemetry;
  LimitsConfig limits;
  friend bool operator==(const ServiceConfig&, const ServiceConfig&) = default;
};

// Components that no pipeline names are in the maps too; see UsedReceivers and UsedExporters.
struct AgentConfig {
  std::map<std::string, ProfilingReceiver> receivers;  // by id, "profiling" or "profiling/name"
  std::map<std::string, ExporterConfig> exporters;     // by id
  std::map<std::string, ExtensionConfig> extensions;   // by id
  ServiceConfig service;
  friend bool operator==(const AgentConfig&, const AgentConfig&) = default;
};

// Ids that pipelines name, sorted, each once.
std::vector<std::string> UsedReceivers(const AgentConfig& config);
std::vector<std::string> UsedExporters(const AgentConfig& config);

}  // namespace kiln::agent::config
