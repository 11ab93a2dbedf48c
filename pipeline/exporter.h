// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <string>

#include "pipeline/batch.h"

namespace kiln::pipeline {

// What became of one attempt to send one batch.
struct ExportResult {
  enum class Outcome : uint8_t {
    kDelivered,  // the server has it, but for `rejected_items`, which are lost
    kRetryable,  // perhaps later
    kTooLarge,   // perhaps in smaller pieces (HTTP 413, gRPC RESOURCE_EXHAUSTED for the message's size)
    kPermanent,  // never: trying again would be of no use
  };
  Outcome outcome = Outcome::kDelivered;
  std::string message;                        // what the server or the system said, for a log; "" if nothing
  std::optional<absl::Duration> retry_after;  // kRetryable: not before this has passed (Retry-After, RetryInfo)
  int64_t rejected_items = 0;                 // OTLP partial success; 0 with a message is a warning
};

// Sends batches to one destination, without memory of its own: queue, retry and counting are ExportPath's.
class Exporter {
 public:
  virtual ~Exporter() = default;
  // One attempt, within `timeout`. Blocks. Thread-safe: several consumers of one queue call it at once.
  virtual ExportResult Export(const Batch& batch, absl::Duration timeout) = 0;
  // Attempts under way, and all later ones, return soon (kRetryable). Thread-safe. For the end of a process.
  virtual void Cancel() {}
};

}  // namespace kiln::pipeline
