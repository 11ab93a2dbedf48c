// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "agent/config/client_fields.h"

namespace kiln::agent::config {
namespace {

using pipeline::ExportPathSettings;
using pipeline::QueueSettings;
using pipeline::RetrySettings;
using pipeline::Sizer;

constexpr int64_t kMaxCount = int64_t{1} << 40;

void RetryFields(Fields& f, RetrySettings& retry) {
  const absl::Duration zero = absl::ZeroDuration(), day = absl::Hours(24);
  f.Bool("enabled", retry.enabled);
  f.Duration("initial_interval", retry.initial_interval, absl::Milliseconds(1), day);
  f.Number("randomization_factor", retry.randomization_factor, 0, 1);
  f.Number("multiplier", retry.multiplier, 1, 100);
  f.Duration("max_interval", retry.max_interval, absl::Milliseconds(1), day);
  f.Duration("max_elapsed_time", retry.max_elapsed_time, zero, 365 * day);
  if (!retry.enabled) return;
  if (retry.max_interval < retry.initial_interval) {
    // Where only one of the two was given, the other is not meant to be in its way.
    if (f.Has("max_interval")) return f.Error("max_interval", "below initial_interval");
    retry.max_interval = retry.initial_interval;
  }
  if (retry.max_elapsed_time != zero && retry.max_elapsed_time < retry.initial_interval) {
    f.Error(f.Has("max_elapsed_time") ? "max_elapsed_time" : "initial_interval",
            "initial_interval is above max_elapsed_time: nothing would ever be tried again");
  }
}

void OverflowFields(Fields& f, QueueSettings& queue) {
  using enum QueueSettings::Overflow;
  f.Enum("overflow", queue.overflow, {{"drop_oldest", kDropOldest}, {"refuse", kRefuse}, {"block", kBlock}});
  if (f.Writes()) return;
  bool blocks = queue.overflow == kBlock;
  f.Bool("block_on_overflow", blocks);
  if (f.Has("overflow") && f.Has("block_on_overflow") && blocks != (queue.overflow == kBlock)) {
    f.Error("block_on_overflow", "contradicts overflow; keep one of the two");
  } else if (blocks) {
    queue.overflow = kBlock;
  }
}

// The Collector's batches are made of what comes in, up to a size; kiln's come as windows of profiles: only the upper
// end means something here.
void BatchFields(Fields& f, ExportPathSettings& path) {
  Sizer sizer = Sizer::kItems;
  int64_t min_size = 0, max_size = 0;
  f.Enum("sizer", sizer, {{"items", Sizer::kItems}, {"bytes", Sizer::kBytes}});
  f.Int("max_size", max_size, 0, kMaxCount);
  if (f.Has("min_size")) {
    f.Int("min_size", min_size, 0, kMaxCount);
    if (max_size > 0 && min_size > max_size) f.Error("max_size", "below min_size");
  }
  f.Inert("min_size", "each profile is sent when its window ends");
  f.Inert("flush_timeout", "each profile is sent when its window ends");
  f.Refused("partition", "kiln cannot batch by metadata");
  if (max_size > 0) (sizer == Sizer::kBytes ? path.max_request_bytes : path.max_request_items) = max_size;
}

void QueueFields(Fields& f, ExportPathSettings& path) {
  QueueSettings& queue = path.queue;
  f.Bool("enabled", queue.enabled);
  int64_t consumers = queue.num_consumers;
  f.Int("num_consumers", consumers, 1, 1000);
  queue.num_consumers = static_cast<int>(consumers);
  f.Int("queue_size", queue.queue_size, 1, kMaxCount);
  f.Enum("sizer", queue.sizer, {{"requests", Sizer::kRequests}, {"items", Sizer::kItems}, {"bytes", Sizer::kBytes}});
  OverflowFields(f, queue);
  f.Text("storage", queue.storage);
  f.Refused("wait_for_result", "kiln's receivers never wait for an export", "false");
  if (!f.Writes()) f.Sub("batch", [&](Fields& batch) { BatchFields(batch, path); });
}

}  // namespace

void ExportPathFields(Fields& f, ExportPathSettings& path) {
  f.Sub("retry_on_failure", [&](Fields& retry) { RetryFields(retry, path.retry); });
  f.Sub("sending_queue", [&](Fields& queue) { QueueFields(queue, path); });
  f.Bytes("max_request_bytes", path.max_request_bytes, 0, int64_t{1} << 30);
  f.Int("max_request_items", path.max_request_items, 0, kMaxCount);
}

}  // namespace kiln::agent::config
