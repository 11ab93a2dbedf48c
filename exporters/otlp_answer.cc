// SPDX-License-Identifier: Apache-2.0
#include "exporters/otlp_answer.h"

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/excerpt.h"
#include "exporters/retry_rules.h"
#include "otlp/logs_service.pb.h"
#include "otlp/metrics_service.pb.h"
#include "otlp/profiles_service.pb.h"
#include "otlp/trace_service.pb.h"

namespace kiln::exporters {
namespace {

namespace collector = opentelemetry::proto::collector;
using pipeline::Signal;

template <typename Response, typename Rejected>
std::optional<PartialSuccess> Parse(std::string_view bytes, Rejected rejected) {
  Response response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  const auto& partial = response.partial_success();
  return PartialSuccess{.rejected = (partial.*rejected)(), .message = partial.error_message()};
}

// What the signal's field is called in JSON, and its unit for people.
struct Unit {
  const char* json_key;
  std::string_view plural;
};
Unit UnitOf(Signal signal) {
  switch (signal) {
    case Signal::kTraces: return {"rejectedSpans", "spans"};
    case Signal::kMetrics: return {"rejectedDataPoints", "data points"};
    case Signal::kLogs: return {"rejectedLogRecords", "log records"};
    case Signal::kProfiles: return {"rejectedProfiles", "profiles"};
  }
  return {"", ""};
}

// Only asked for after a rejection: the batch is parsed as a whole.
int64_t CountProfiles(const std::string& bytes) {
  collector::profiles::v1development::ExportProfilesServiceRequest request;
  int64_t count = 0;
  if (!request.ParseFromString(bytes)) return 0;
  for (const auto& resource : request.resource_profiles())
    for (const auto& scope : resource.scope_profiles()) count += scope.profiles_size();
  return count;
}

int64_t RejectedItems(const pipeline::Batch& batch, int64_t rejected) {
  if (batch.signal != Signal::kProfiles || rejected <= 0) return std::clamp<int64_t>(rejected, 0, batch.items);
  const int64_t profiles = CountProfiles(batch.bytes);
  if (rejected >= profiles) return batch.items;
  // Neither factor is large enough for more than 53 bits to matter.
  const double share = static_cast<double>(rejected) / static_cast<double>(profiles);
  return std::min(batch.items, static_cast<int64_t>(std::ceil(share * static_cast<double>(batch.items))));
}

}  // namespace

SignalAddress AddressOf(Signal signal) {
  switch (signal) {
    case Signal::kTraces: return {"/opentelemetry.proto.collector.trace.v1.TraceService/Export", "/v1/traces"};
    case Signal::kMetrics: return {"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "/v1/metrics"};
    case Signal::kLogs: return {"/opentelemetry.proto.collector.logs.v1.LogsService/Export", "/v1/logs"};
    case Signal::kProfiles:
      return {"/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
              "/v1development/profiles"};
  }
  return {"", ""};
}

std::optional<PartialSuccess> ParsePartialSuccess(Signal signal, std::string_view bytes) {
  using namespace collector;  // NOLINT: four names of which each is as long as a line
  switch (signal) {
    case Signal::kTraces:
      return Parse<trace::v1::ExportTraceServiceResponse>(bytes, &trace::v1::ExportTracePartialSuccess::rejected_spans);
    case Signal::kMetrics:
      return Parse<metrics::v1::ExportMetricsServiceResponse>(
          bytes, &metrics::v1::ExportMetricsPartialSuccess::rejected_data_points);
    case Signal::kLogs:
      return Parse<logs::v1::ExportLogsServiceResponse>(bytes,
                                                        &logs::v1::ExportLogsPartialSuccess::rejected_log_records);
    case Signal::kProfiles:
      return Parse<profiles::v1development::ExportProfilesServiceResponse>(
          bytes, &profiles::v1development::ExportProfilesPartialSuccess::rejected_profiles);
  }
  return std::nullopt;
}

std::optional<PartialSuccess> ParsePartialSuccessJson(Signal signal, std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  PartialSuccess partial;
  const auto object = json.find("partialSuccess");
  if (object == json.end() || object->is_null()) return partial;
  if (!object->is_object()) return std::nullopt;
  if (const auto count = object->find(UnitOf(signal).json_key); count != object->end()) {
    if (count->is_number_integer()) partial.rejected = count->get<int64_t>();
    if (count->is_string() && !absl::SimpleAtoi(count->get<std::string>(), &partial.rejected)) return std::nullopt;
  }
  if (const auto message = object->find("errorMessage"); message != object->end() && message->is_string())
    partial.message = message->get<std::string>();
  return partial;
}

pipeline::ExportResult ResultOfPartialSuccess(const pipeline::Batch& batch, const PartialSuccess& answer) {
  pipeline::ExportResult result{.rejected_items = RejectedItems(batch, answer.rejected)};
  const std::string text = Excerpt(answer.message, kMaxShownBytes);
  if (answer.rejected > 0) {
    result.message = fmt::format("the server rejected {} {}{}{}", answer.rejected, UnitOf(batch.signal).plural,
                                 text.empty() ? "" : ": ", text);
  } else {
    result.message = text;
  }
  return result;
}

}  // namespace kiln::exporters
