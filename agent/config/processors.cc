// SPDX-License-Identifier: Apache-2.0
// Processors: none is built. The keys of those that are in nearly every configuration are checked all the same.
#include "agent/config/components.h"

namespace kiln::agent::config {
namespace {

constexpr int64_t kMaxCount = int64_t{1} << 40;
const absl::Duration kZero = absl::ZeroDuration();
const absl::Duration kYear = absl::Hours(24 * 365);

void BatchFields(Fields& f, const std::string&, AgentConfig&) {
  absl::Duration timeout = absl::Milliseconds(200);
  int64_t size = 8192, max_size = 0, limit = 1000;
  std::vector<std::string> keys;
  f.Duration("timeout", timeout, kZero, kYear);
  f.Int("send_batch_size", size, 0, kMaxCount);
  f.Int("send_batch_max_size", max_size, 0, kMaxCount);
  f.Texts("metadata_keys", keys);
  f.Int("metadata_cardinality_limit", limit, 0, kMaxCount);
  if (max_size > 0 && max_size < size) f.Error("send_batch_max_size", "below send_batch_size");
}

void MemoryLimiterFields(Fields& f, const std::string&, AgentConfig&) {
  absl::Duration interval, gc_interval;
  int64_t limit = 0, spike = 0, percentage = 0, spike_percentage = 0;
  f.Duration("check_interval", interval, kZero, kYear);
  f.Int("limit_mib", limit, 0, kMaxCount);
  f.Int("spike_limit_mib", spike, 0, kMaxCount);
  f.Int("limit_percentage", percentage, 0, 100);
  f.Int("spike_limit_percentage", spike_percentage, 0, 100);
  f.Duration("min_gc_interval_when_soft_limited", gc_interval, kZero, kYear);
  f.Duration("min_gc_interval_when_hard_limited", gc_interval, kZero, kYear);
  if (interval == kZero) f.Error("check_interval", "must be above zero; 1s is usual");
  if (limit == 0 && percentage == 0) f.Error("", "limit_mib (or limit_percentage) is missing");
  if (limit > 0 && spike >= limit) f.Error("spike_limit_mib", "must be below limit_mib");
}

void ProbabilisticSamplerFields(Fields& f, const std::string&, AgentConfig&) {
  enum class Any : uint8_t { kAny };
  double percentage = 0;
  int64_t seed = 0, precision = 4;
  bool fail_closed = true;
  std::string text;
  Any any = Any::kAny;
  f.Number("sampling_percentage", percentage, 0, 1e9);  // above 100 counts as 100
  f.Int("hash_seed", seed, 0, (int64_t{1} << 32) - 1);
  f.Enum("mode", any, {{"hash_seed", Any::kAny}, {"proportional", Any::kAny}, {"equalizing", Any::kAny}});
  f.Bool("fail_closed", fail_closed);
  f.Int("sampling_precision", precision, 1, 14);
  f.Enum("attribute_source", any, {{"traceID", Any::kAny}, {"record", Any::kAny}});
  f.Text("from_attribute", text);
  f.Text("sampling_priority", text);
}

}  // namespace

const ComponentType kBatchProcessorType = {
    .kind = ComponentKind::kProcessor,
    .type = "batch",
    .unbuilt = "kiln has no processor batch yet; exporters split by their own max_request_bytes and max_request_items",
    .fields = BatchFields};
const ComponentType kMemoryLimiterType = {.kind = ComponentKind::kProcessor,
                                          .type = "memory_limiter",
                                          .unbuilt = "kiln has no processor memory_limiter yet; see service.limits",
                                          .fields = MemoryLimiterFields};
const ComponentType kProbabilisticSamplerType = {.kind = ComponentKind::kProcessor,
                                                 .type = "probabilistic_sampler",
                                                 .unbuilt = "kiln has no processor probabilistic_sampler yet",
                                                 .fields = ProbabilisticSamplerFields};

}  // namespace kiln::agent::config
