// SPDX-License-Identifier: Apache-2.0
// Settings of the exporters. Keys and defaults are the Collector's where it has the exporter.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/net/settings.h"

namespace kiln::exporters {

// otlp (also otlp_grpc): gRPC. endpoint: host:port, or with a scheme: http:// = no TLS, https:// = TLS.
struct OtlpGrpcSettings {
  HttpClientSettings client{.timeout = absl::Seconds(5)};
  friend bool operator==(const OtlpGrpcSettings&, const OtlpGrpcSettings&) = default;
};

// otlphttp (also otlp_http). endpoint: a base URL, to which /v1/traces … are added; or one URL per signal.
struct OtlpHttpSettings {
  HttpClientSettings client;
  std::string traces_endpoint, metrics_endpoint, logs_endpoint, profiles_endpoint;
  friend bool operator==(const OtlpHttpSettings&, const OtlpHttpSettings&) = default;
};

// pyroscope: kiln's own; Pyroscope's push.v1, series with labels and pprof. endpoint: base URL.
struct PyroscopeSettings {
  HttpClientSettings client;  // timeout 30 s; compression is that of pprof itself
  std::string tenant_id;      // X-Scope-OrgID; "" = none
  std::vector<std::pair<std::string, std::string>> external_labels;  // added to each series
  // Attributes of resources and samples that become labels, dots to underscores; service.name is always service_name.
  // None = all. Pyroscope makes a series of each set of values, also of those of samples (thread.name).
  std::vector<std::string> labels;
  friend bool operator==(const PyroscopeSettings&, const PyroscopeSettings&) = default;
};

// file: one file of OTLP (JSON lines or length-prefixed protobuf as the Collector's contrib exporter), or a folder of
// pprof.
struct FileSettings {
  std::string path;
  enum class Format : uint8_t { kJson, kProto, kPprof } format = Format::kJson;
  Compression compression = Compression::kNone;  // kZstd
  bool append = false;
  struct Rotation {
    bool enabled = false;
    int64_t max_megabytes = 100;
    int64_t max_days = 0;  // 0 = for ever
    int64_t max_backups = 100;
    bool localtime = false;
    friend bool operator==(const Rotation&, const Rotation&) = default;
  } rotation;
  friend bool operator==(const FileSettings&, const FileSettings&) = default;
};

// debug: to stdout.
struct DebugSettings {
  enum class Verbosity : uint8_t { kBasic, kNormal, kDetailed } verbosity = Verbosity::kBasic;
  int64_t sampling_initial = 2;     // messages per second that are always shown
  int64_t sampling_thereafter = 1;  // then each n-th
  bool use_internal_logger = true;
  friend bool operator==(const DebugSettings&, const DebugSettings&) = default;
};

}  // namespace kiln::exporters
