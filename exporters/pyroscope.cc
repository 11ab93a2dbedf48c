// SPDX-License-Identifier: Apache-2.0
#include "exporters/pyroscope.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "exporters/push.pb.h"
#include "exporters/pyroscope_response.h"
#include "otlp/profiles.h"

namespace kiln::exporters {
namespace {

using pipeline::ExportResult;
using Outcome = pipeline::ExportResult::Outcome;

// Connect's header takes ten digits.
constexpr int64_t kMaxTimeoutMs = 9'999'999'999;

// A UUID (RFC 9562, version 8) out of the content, so that a push that is tried again carries the same one.
std::string ContentId(const PyroscopeSeries& series) {
  XXH3_state_t* state = XXH3_createState();
  XXH3_128bits_reset(state);
  for (const auto& [name, value] : series.labels) {
    XXH3_128bits_update(state, name.data(), name.size() + 1);
    XXH3_128bits_update(state, value.data(), value.size() + 1);
  }
  XXH3_128bits_update(state, series.pprof.data(), series.pprof.size());
  const XXH128_hash_t hash = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  const uint64_t high = (hash.high64 & ~uint64_t{0xf000}) | 0x8000;
  const uint64_t low = (hash.low64 & ~(uint64_t{3} << 62)) | uint64_t{2} << 62;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48,
                     low & 0xffffffffffff);
}

std::string EncodePush(PyroscopeBatch& batch) {
  push::v1::PushRequest request;
  for (PyroscopeSeries& series : batch.series) {
    push::v1::RawProfileSeries& out = *request.add_series();
    push::v1::RawSample& sample = *out.add_samples();
    sample.set_id(ContentId(series));
    sample.set_raw_profile(std::move(series.pprof));
    for (auto& [name, value] : series.labels) {
      push::v1::LabelPair& label = *out.add_labels();
      label.set_name(std::move(name));
      label.set_value(std::move(value));
    }
  }
  return request.SerializeAsString();
}

ExportResult Permanent(std::string message) { return {.outcome = Outcome::kPermanent, .message = std::move(message)}; }

}  // namespace

PyroscopeExporter::PyroscopeExporter(PyroscopeSettings settings, std::unique_ptr<HttpTransport> transport,
                                     PyroscopeLimits limits, std::function<int64_t()> unix_nano)
    : settings_(std::move(settings)),
      transport_(std::move(transport)),
      limits_(limits),
      unix_nano_(std::move(unix_nano)),
      url_(settings_.client.endpoint) {
  while (url_.ends_with('/')) url_.pop_back();
  url_ += "/push.v1.PusherService/Push";
}

ExportResult PyroscopeExporter::Export(const pipeline::Batch& batch, absl::Duration timeout) {
  if (batch.signal != pipeline::Signal::kProfiles) {
    return Permanent(fmt::format("the exporter pyroscope takes profiles only, not {}", SignalName(batch.signal)));
  }
  const auto profile = otlp::DecodeProfilesData(batch.bytes);
  if (!profile.ok()) return Permanent(fmt::format("cannot read the batch: {}", Message(profile.status())));
  PyroscopeBatch push = MakePyroscopeBatch(*profile, settings_, batch.created_unix_nano, limits_);
  ExportResult delivered;
  delivered.rejected_items = std::min(push.negative_samples, batch.items);
  if (push.negative_samples > 0) {
    delivered.message = fmt::format("{} samples with a negative value were left out", push.negative_samples);
  }
  if (push.cut_labels > 0) {
    if (!delivered.message.empty()) delivered.message += "; ";
    delivered.message +=
        fmt::format("{} attributes did not become labels: Pyroscope takes {} per series (the setting `labels` chooses)",
                    push.cut_labels, kMaxLabels);
  }
  if (push.series.empty()) return delivered;

  const std::string body = EncodePush(push);
  HttpRequest request{.url = url_, .body = body, .timeout = timeout};
  request.headers = {{"content-type", "application/proto"}, {"connect-protocol-version", "1"}};
  if (timeout != absl::InfiniteDuration()) {
    const int64_t ms = std::clamp<int64_t>(absl::ToInt64Milliseconds(timeout), 1, kMaxTimeoutMs);
    request.headers.emplace_back("connect-timeout-ms", std::to_string(ms));
  }
  if (!settings_.tenant_id.empty()) request.headers.emplace_back("x-scope-orgid", settings_.tenant_id);
  const auto response = transport_->Send(request);
  ExportResult result = response.ok() ? PushResult(*response, unix_nano_()) : PushFailure(response.status());
  return result.outcome == Outcome::kDelivered ? delivered : result;
}

}  // namespace kiln::exporters
