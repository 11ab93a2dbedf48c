// SPDX-License-Identifier: Apache-2.0
// Exporter "debug": what passes, as text for people.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>

#include "base/clock.h"
#include "exporters/settings.h"
#include "pipeline/exporter.h"

namespace kiln::exporters {

// Thread-safe; texts reach `write` one at a time.
class DebugExporter : public pipeline::Exporter {
 public:
  // `write` gets one text per batch (see debug_text.h), without a line break at its end. `monotonic_ns` must be
  // thread-safe.
  DebugExporter(DebugSettings settings, std::function<void(std::string_view)> write,
                std::function<uint64_t()> monotonic_ns = MonotonicNs);

  // Always delivered. In each second that begins with a batch, the first sampling_initial batches are shown and then
  // each sampling_thereafter-th (0: none); how many were not is said with the next one that is shown.
  pipeline::ExportResult Export(const pipeline::Batch& batch, absl::Duration timeout) override;

 private:
  bool Shown();

  const DebugSettings settings_;
  const std::function<void(std::string_view)> write_;
  const std::function<uint64_t()> monotonic_ns_;
  std::mutex mutex_;
  uint64_t second_begin_ = 0;
  int64_t in_second_ = 0;  // batches since; 0 = no second has begun yet
  int64_t not_shown_ = 0;  // since the last one that was shown
};

}  // namespace kiln::exporters
