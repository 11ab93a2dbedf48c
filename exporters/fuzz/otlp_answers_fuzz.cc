// SPDX-License-Identifier: Apache-2.0
// What servers answer to the OTLP exporters: whatever it is, there is a verdict within its bounds. The first byte says
// which exporter gets the answer, the first line is the HTTP status, lines up to an empty one are headers (trailers
// where they begin with "+"), the rest is the body.
#include <absl/strings/numbers.h>

#include <cstdlib>

#include "exporters/otlp_grpc.h"
#include "exporters/otlp_http.h"
#include "exporters/retry_after.h"
#include "exporters/scripted_transport.h"

namespace {

std::string_view TakeLine(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

kiln::HttpResponse MakeResponse(std::string_view text) {
  kiln::HttpResponse response;
  const std::string_view status = TakeLine(text);
  if (!absl::SimpleAtoi(absl::string_view(status.data(), status.size()), &response.status)) response.status = 200;
  for (std::string_view line = TakeLine(text); !line.empty(); line = TakeLine(text)) {
    auto& headers = line[0] == '+' ? response.trailers : response.headers;
    if (line[0] == '+') line.remove_prefix(1);
    const size_t colon = std::min(line.find(':'), line.size());
    headers.emplace_back(line.substr(0, colon), line.substr(std::min(colon + 1, line.size())));
  }
  response.body = text;
  return response;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kiln::exporters;  // NOLINT
  if (size == 0) return 0;
  TransportScript script;
  script.answer = MakeResponse({reinterpret_cast<const char*>(data) + 1, size - 1});
  kiln::HttpClientSettings client{.endpoint = "http://h:1", .compression = kiln::Compression::kNone};
  auto transport = std::make_unique<ScriptedTransport>(script);
  auto exporter = (data[0] & 1) != 0 ? MakeOtlpGrpcExporter({.client = client}, std::move(transport))
                                     : MakeOtlpHttpExporter({.client = client}, std::move(transport));
  const kiln::pipeline::Batch batch{
      .signal = static_cast<kiln::pipeline::Signal>(data[0] >> 1 & 3), .bytes = "", .items = 7};
  const auto result = (*exporter)->Export(batch, absl::Seconds(1));
  using Outcome = kiln::pipeline::ExportResult::Outcome;
  if (result.rejected_items < 0 || result.rejected_items > batch.items) std::abort();
  if (result.rejected_items > 0 && result.outcome != Outcome::kDelivered) std::abort();
  if (result.outcome != Outcome::kDelivered && result.message.empty()) std::abort();
  if (result.retry_after.has_value() &&
      (result.outcome != Outcome::kRetryable || *result.retry_after <= absl::ZeroDuration() ||
       *result.retry_after > kMaxRetryAfter))
    std::abort();
  if (result.message.size() > 1200) std::abort();
  for (const char c : result.message)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) std::abort();
  return 0;
}
