// SPDX-License-Identifier: Apache-2.0
#include "exporters/otlp_http.h"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <array>

#include "base/excerpt.h"
#include "exporters/compression.h"
#include "exporters/endpoint.h"
#include "exporters/otlp_answer.h"
#include "exporters/retry_after.h"
#include "exporters/retry_rules.h"
#include "exporters/user_agent.h"

namespace kiln::exporters {
namespace {

using pipeline::ExportResult;
using pipeline::Signal;

using SignalUrls = std::array<std::string, 4>;  // by Signal; "" = none

// Without parameters, in lower case.
std::string MediaType(const HttpResponse& response) {
  const std::string_view value = response.Header("content-type").value_or("");
  const std::string_view type = value.substr(0, value.find(';'));
  return absl::AsciiStrToLower(absl::StripAsciiWhitespace(absl::string_view(type.data(), type.size())));
}

bool IsProtobuf(std::string_view type) { return type == "application/x-protobuf" || type == "application/protobuf"; }

class OtlpHttpExporter : public pipeline::Exporter {
 public:
  OtlpHttpExporter(const OtlpHttpSettings& settings, SignalUrls urls, std::unique_ptr<HttpTransport> transport)
      : compression_(settings.client.compression),
        timeout_(settings.client.timeout),
        urls_(std::move(urls)),
        transport_(std::move(transport)) {}

  ExportResult Export(const pipeline::Batch& batch, absl::Duration timeout) override {
    const std::string& url = urls_[static_cast<size_t>(batch.signal)];
    if (url.empty()) {
      return {.outcome = ExportResult::Outcome::kPermanent,
              .message = fmt::format("otlphttp has neither endpoint nor {}_endpoint", SignalName(batch.signal))};
    }
    if (timeout_ > absl::ZeroDuration()) timeout = std::min(timeout, timeout_);
    HttpRequest request{.url = url, .headers = {{"content-type", "application/x-protobuf"}}, .timeout = timeout};
    std::string packed;
    request.body = batch.bytes;
    if (compression_ != Compression::kNone) {
      packed = Compress(compression_, batch.bytes);
      request.body = packed;
      request.headers.emplace_back("content-encoding", EncodingName(compression_));
    }
    const StatusOr<HttpResponse> response = transport_->Send(request);
    if (!response.ok()) return ResultOfFailure(response.status());
    return response->status / 100 == 2 ? ResultOfSuccess(batch, *response) : ResultOfError(*response);
  }

  void Cancel() override { transport_->Cancel(); }

 private:
  static ExportResult ResultOfSuccess(const pipeline::Batch& batch, const HttpResponse& response) {
    const std::string type = MediaType(response);
    std::optional<PartialSuccess> partial;
    if (IsProtobuf(type)) partial = ParsePartialSuccess(batch.signal, response.body);
    if (type == "application/json") partial = ParsePartialSuccessJson(batch.signal, response.body);
    // Servers exist that answer 200 with an empty body, or with some text.
    if (!partial.has_value() && !IsProtobuf(type)) return {};
    if (!partial.has_value())
      return {.message = fmt::format("HTTP {} with an answer that is not that of OTLP", response.status)};
    return ResultOfPartialSuccess(batch, *partial);
  }

  static ExportResult ResultOfError(const HttpResponse& response) {
    ExportResult result{.outcome = OutcomeOfHttpStatus(response.status)};
    std::string text = response.body;
    std::optional<absl::Duration> delay = RetryAfterOf(response, absl::Now());
    if (IsProtobuf(MediaType(response))) {
      // A body of another kind may parse as one by chance, hence the type.
      if (const std::optional<RpcStatus> status = ParseRpcStatus(response.body); status.has_value()) {
        text = status->message;
        if (!delay.has_value()) delay = status->retry_delay;
      }
    }
    // So answers the Collector a body above its limit.
    if (response.status == 400 && IsAboutSize(text)) result.outcome = ExportResult::Outcome::kTooLarge;
    const std::string shown = Excerpt(text, kMaxShownBytes);
    result.message = fmt::format("HTTP {}{}{}", response.status, shown.empty() ? "" : ": ", shown);
    if (response.status / 100 == 3) result.message += "; redirects are not followed, check the endpoint";
    if (result.outcome == ExportResult::Outcome::kRetryable && delay > absl::ZeroDuration()) result.retry_after = delay;
    return result;
  }

  const Compression compression_;
  const absl::Duration timeout_;
  const SignalUrls urls_;
  const std::unique_ptr<HttpTransport> transport_;
};

StatusOr<SignalUrls> UrlsOf(const OtlpHttpSettings& settings) {
  SignalUrls urls;
  const bool insecure = settings.client.tls.insecure;
  if (const std::string& base = settings.client.endpoint; !base.empty()) {
    KILN_ASSIGN_OR_RETURN(const std::string url, HttpUrl(base, insecure));
    if (url.find('?') != std::string::npos)
      return absl::InvalidArgumentError("endpoint: a base URL to which paths are added can't have a query (?…)");
    for (const Signal signal : {Signal::kTraces, Signal::kMetrics, Signal::kLogs, Signal::kProfiles})
      urls[static_cast<size_t>(signal)] = JoinUrl(url, AddressOf(signal).http_path);
  }
  const std::pair<Signal, const std::string&> given[] = {{Signal::kTraces, settings.traces_endpoint},
                                                         {Signal::kMetrics, settings.metrics_endpoint},
                                                         {Signal::kLogs, settings.logs_endpoint},
                                                         {Signal::kProfiles, settings.profiles_endpoint}};
  for (const auto& [signal, endpoint] : given) {
    if (endpoint.empty()) continue;
    StatusOr<std::string> url = HttpUrl(endpoint, insecure);
    if (!url.ok()) return Annotate(url.status(), fmt::format("{}_endpoint", SignalName(signal)));
    urls[static_cast<size_t>(signal)] = *std::move(url);
  }
  if (std::ranges::all_of(urls, &std::string::empty))
    return absl::InvalidArgumentError(
        "otlphttp needs an endpoint, or at least one of traces_endpoint, metrics_endpoint, "
        "logs_endpoint and profiles_endpoint");
  return urls;
}

}  // namespace

StatusOr<std::unique_ptr<pipeline::Exporter>> MakeOtlpHttpExporter(const OtlpHttpSettings& settings,
                                                                   std::unique_ptr<HttpTransport> transport) {
  KILN_ASSIGN_OR_RETURN(SignalUrls urls, UrlsOf(settings));
  return std::make_unique<OtlpHttpExporter>(settings, std::move(urls), std::move(transport));
}

StatusOr<std::unique_ptr<pipeline::Exporter>> MakeOtlpHttpExporter(const OtlpHttpSettings& settings) {
  KILN_ASSIGN_OR_RETURN(std::unique_ptr<HttpTransport> transport, MakeHttpTransport(settings.client, UserAgent()));
  return MakeOtlpHttpExporter(settings, std::move(transport));
}

}  // namespace kiln::exporters
