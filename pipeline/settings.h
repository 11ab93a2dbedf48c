// SPDX-License-Identifier: Apache-2.0
// Settings of the way to an exporter, with the names, meanings and defaults of the OpenTelemetry Collector's
// exporterhelper.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <string>

namespace kiln::pipeline {

// retry_on_failure: …
struct RetrySettings {
  bool enabled = true;
  absl::Duration initial_interval = absl::Seconds(5);
  double randomization_factor = 0.5;  // an interval is between (1 - f) and (1 + f) times what it would be; 0 … 1
  double multiplier = 1.5;
  absl::Duration max_interval = absl::Seconds(30);
  absl::Duration max_elapsed_time = absl::Minutes(5);  // since the first attempt; then it is given up. 0 = never
  friend bool operator==(const RetrySettings&, const RetrySettings&) = default;
};

enum class Sizer : uint8_t { kRequests, kItems, kBytes };

// sending_queue: …
struct QueueSettings {
  bool enabled = true;
  int num_consumers = 10;     // attempts under way at once
  int64_t queue_size = 1000;  // in units of `sizer`
  Sizer sizer = Sizer::kRequests;
  // kiln's own: what a full queue does. The Collector refuses what is new; a profiler's newest data is worth more.
  enum class Overflow : uint8_t { kDropOldest, kRefuse, kBlock } overflow = Overflow::kDropOldest;
  // Id of a file_storage extension; "" = memory only.
  std::string storage;
  friend bool operator==(const QueueSettings&, const QueueSettings&) = default;
};

// extensions: file_storage: …
struct FileStorageSettings {
  std::string directory;
  bool create_directory = true;
  bool fsync = false;                         // survive also a crash of the machine, not only of the process
  absl::Duration timeout = absl::Seconds(1);  // for the lock on the file
  // kiln's own: bytes of batches per queue. The oldest go first, counted.
  int64_t max_size_mib = 1024;
  friend bool operator==(const FileStorageSettings&, const FileStorageSettings&) = default;
};

// What one exporter's way needs.
struct ExportPathSettings {
  absl::Duration timeout = absl::Seconds(5);  // of one attempt
  RetrySettings retry;
  QueueSettings queue;
  // kiln's own: batches above either are split before they are sent; 0 = no limit.
  int64_t max_request_bytes = 0;
  int64_t max_request_items = 0;
  friend bool operator==(const ExportPathSettings&, const ExportPathSettings&) = default;
};

}  // namespace kiln::pipeline
