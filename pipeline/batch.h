// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace kiln::pipeline {

enum class Signal : uint8_t { kTraces, kMetrics, kLogs, kProfiles };

// "traces" …: the key in service.pipelines.
std::string_view SignalName(Signal signal);

// The currency of the pipeline: telemetry of one signal as the bytes of one OTLP Export…ServiceRequest. Immutable once
// it is handed on, so that several exporters share it.
struct Batch {
  Signal signal = Signal::kProfiles;
  std::string bytes;
  // Spans, data points, log records, or OTLP Samples, as the Collector counts them.
  int64_t items = 0;
  // What `items` stand for: of profiles the samples that were taken (one OTLP Sample stands for many), else as `items`.
  // Ledgers are kept in this unit, since it is the one that the source counted.
  int64_t weight = 0;
  int64_t created_unix_nano = 0;  // when its source finished it
};

using BatchPtr = std::shared_ptr<const Batch>;

// Takes batches. Thread-safe. OK means: it is mine now, and what becomes of it is counted. kResourceExhausted or
// kUnavailable: not taken, try again later. Everything else: never.
class Consumer {
 public:
  virtual ~Consumer() = default;
  virtual Status Consume(BatchPtr batch) = 0;
};

}  // namespace kiln::pipeline
