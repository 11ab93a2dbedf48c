// SPDX-License-Identifier: Apache-2.0
#include "exporters/grpc_message.h"

#include <absl/strings/numbers.h>

#include <algorithm>
#include <limits>

#include "base/excerpt.h"
#include "exporters/compression.h"

namespace kiln::exporters {
namespace {

constexpr size_t kPrefixBytes = 5;
constexpr size_t kMaxMessageBytes = 4 << 20;  // as of answers that are not compressed
constexpr int64_t kMaxTimeoutNumber = 99'999'999;
constexpr size_t kMaxForeignBytes = 200;  // shown of an answer that does not come from gRPC

Status NotGrpc(std::string_view why) { return Error(absl::StatusCode::kInternal, "the answer {}", why); }

}  // namespace

StatusOr<std::string> FrameGrpcMessage(Compression compression, std::string_view message) {
  const std::string packed = Compress(compression, message);
  if (packed.size() > std::numeric_limits<uint32_t>::max())
    return Error(absl::StatusCode::kOutOfRange, "a message of {} bytes can't be sent by gRPC", packed.size());
  const auto size = static_cast<uint32_t>(packed.size());
  std::string frame;
  frame.reserve(kPrefixBytes + packed.size());
  frame += compression == Compression::kNone ? '\0' : '\1';
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(size >> shift);
  frame += packed;
  return frame;
}

StatusOr<std::string> UnframeGrpcMessage(const HttpResponse& response) {
  std::string_view body = response.body;
  if (body.empty()) return NotGrpc("has no message");
  if (body.size() < kPrefixBytes) return NotGrpc("is cut short");
  const char compressed = body[0];
  if (compressed != '\0' && compressed != '\1') return NotGrpc("is not that of gRPC");
  uint32_t size = 0;
  for (size_t i = 1; i < kPrefixBytes; i++) size = size << 8 | static_cast<uint8_t>(body[i]);
  body.remove_prefix(kPrefixBytes);
  if (size > body.size()) return NotGrpc("is cut short");
  if (size < body.size()) return NotGrpc("has more than one message");
  if (compressed == '\0') return std::string(body);
  const std::string_view encoding = response.Header("grpc-encoding").value_or("");
  StatusOr<std::string> message = Decompress(encoding, body, kMaxMessageBytes);
  if (!message.ok()) return NotGrpc(fmt::format("can't be unpacked: {}", Message(message.status())));
  return message;
}

RpcStatus GrpcStatusOf(const HttpResponse& response) {
  const std::optional<std::string_view> number = response.Header("grpc-status");
  if (!number.has_value()) {
    // A proxy, a load balancer, or a server of something else.
    const std::string_view type = response.Header("content-type").value_or("");
    std::string message = fmt::format("HTTP {} without grpc-status", response.status);
    if (!type.empty()) message += fmt::format(", {}", Excerpt(type, kMaxForeignBytes));
    if (!response.body.empty() && !type.starts_with("application/grpc"))
      message += fmt::format(": {}", Excerpt(response.body, kMaxForeignBytes));
    return {.code = GrpcCodeFromHttp(response.status), .message = std::move(message)};
  }
  int64_t code = -1;
  if (!absl::SimpleAtoi(absl::string_view(number->data(), number->size()), &code)) code = -1;
  RpcStatus status{.code = GrpcCodeFromNumber(code),
                   .message = DecodeGrpcMessage(response.Header("grpc-message").value_or(""))};
  if (const auto details = response.Header("grpc-status-details-bin"); details.has_value()) {
    // Code and message of the details repeat the headers, and these are what counts.
    if (const std::optional<RpcStatus> detailed = ParseGrpcStatusDetails(*details); detailed.has_value()) {
      status.retry_delay = detailed->retry_delay;
      if (status.message.empty()) status.message = detailed->message;
    }
  }
  return status;
}

std::string GrpcTimeout(absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return "";
  timeout = std::max(timeout, absl::Milliseconds(1));
  struct Unit {
    absl::Duration one;
    char name;
  };
  for (const Unit& unit :
       {Unit{absl::Milliseconds(1), 'm'}, Unit{absl::Seconds(1), 'S'}, Unit{absl::Minutes(1), 'M'}}) {
    const absl::Duration rounded = absl::Ceil(timeout, unit.one);
    if (rounded <= kMaxTimeoutNumber * unit.one) return fmt::format("{}{}", rounded / unit.one, unit.name);
  }
  return fmt::format("{}H", kMaxTimeoutNumber);
}

}  // namespace kiln::exporters
