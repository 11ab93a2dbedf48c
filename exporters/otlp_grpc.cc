// SPDX-License-Identifier: Apache-2.0
#include "exporters/otlp_grpc.h"

#include <algorithm>

#include "exporters/compression.h"
#include "exporters/endpoint.h"
#include "exporters/grpc_message.h"
#include "exporters/otlp_answer.h"
#include "exporters/retry_rules.h"
#include "exporters/user_agent.h"

namespace kiln::exporters {
namespace {

using pipeline::ExportResult;

class OtlpGrpcExporter : public pipeline::Exporter {
 public:
  OtlpGrpcExporter(const OtlpGrpcSettings& settings, std::string base_url, std::unique_ptr<HttpTransport> transport)
      : compression_(settings.client.compression),
        timeout_(settings.client.timeout),
        base_url_(std::move(base_url)),
        transport_(std::move(transport)) {}

  ExportResult Export(const pipeline::Batch& batch, absl::Duration timeout) override {
    if (timeout_ > absl::ZeroDuration()) timeout = std::min(timeout, timeout_);
    const StatusOr<std::string> frame = FrameGrpcMessage(compression_, batch.bytes);
    if (!frame.ok())
      return {.outcome = ExportResult::Outcome::kTooLarge, .message = std::string(Message(frame.status()))};
    HttpRequest request{.url = JoinUrl(base_url_, AddressOf(batch.signal).grpc_method),
                        .headers = {{"content-type", "application/grpc"}, {"te", "trailers"}},
                        .body = *frame,
                        .timeout = timeout,
                        .http2_only = true};
    if (const std::string value = GrpcTimeout(timeout); !value.empty())
      request.headers.emplace_back("grpc-timeout", value);
    if (compression_ != Compression::kNone) request.headers.emplace_back("grpc-encoding", EncodingName(compression_));
    request.headers.emplace_back("grpc-accept-encoding", "identity");
    const StatusOr<HttpResponse> response = transport_->Send(request);
    return response.ok() ? ResultOf(batch, *response) : ResultOfFailure(response.status());
  }

  void Cancel() override { transport_->Cancel(); }

 private:
  static ExportResult ResultOf(const pipeline::Batch& batch, const HttpResponse& response) {
    const RpcStatus status = GrpcStatusOf(response);
    if (status.code != GrpcCode::kOk) {
      ExportResult result = ResultOfGrpcStatus(status);
      // A proxy that knows nothing of gRPC.
      if (response.status == 413 && !response.Header("grpc-status").has_value())
        result.outcome = ExportResult::Outcome::kTooLarge;
      return result;
    }
    // An answer of status OK without a proper message is an error of INTERNAL to every gRPC client.
    const StatusOr<std::string> message = UnframeGrpcMessage(response);
    if (!message.ok()) return Internal(Message(message.status()));
    const std::optional<PartialSuccess> partial = ParsePartialSuccess(batch.signal, *message);
    if (!partial.has_value()) return Internal("the answer is not that of OTLP");
    return ResultOfPartialSuccess(batch, *partial);
  }

  static ExportResult Internal(std::string_view why) {
    return ResultOfGrpcStatus({.code = GrpcCode::kInternal, .message = std::string(why)});
  }

  const Compression compression_;
  const absl::Duration timeout_;
  const std::string base_url_;
  const std::unique_ptr<HttpTransport> transport_;
};

}  // namespace

StatusOr<std::unique_ptr<pipeline::Exporter>> MakeOtlpGrpcExporter(const OtlpGrpcSettings& settings,
                                                                   std::unique_ptr<HttpTransport> transport) {
  KILN_ASSIGN_OR_RETURN(std::string url, GrpcUrl(settings.client.endpoint, settings.client.tls.insecure));
  return std::make_unique<OtlpGrpcExporter>(settings, std::move(url), std::move(transport));
}

StatusOr<std::unique_ptr<pipeline::Exporter>> MakeOtlpGrpcExporter(const OtlpGrpcSettings& settings) {
  KILN_ASSIGN_OR_RETURN(std::unique_ptr<HttpTransport> transport, MakeHttpTransport(settings.client, UserAgent()));
  return MakeOtlpGrpcExporter(settings, std::move(transport));
}

}  // namespace kiln::exporters
