// SPDX-License-Identifier: Apache-2.0
#include "agent/context/process_context.h"

#include <absl/strings/numbers.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "otlp/any_value.h"
#include "otlp/process_context.pb.h"
#include "profile/utf8.h"

namespace kiln::agent {
namespace {

namespace common = ::opentelemetry::proto::common::v1;

// As it lies in the process, in host byte order.
struct Header {
  char signature[8];
  uint32_t version;
  uint32_t payload_bytes;
  uint64_t published_ns;
  uint64_t payload;
};
static_assert(sizeof(Header) == 32);

constexpr std::string_view kSignature = "OTEL_CTX";
constexpr uint32_t kVersion = 2;
constexpr int kAttempts = 5;

std::string TextOf(const common::AnyValue& value) {
  size_t budget = 0;  // of references, which there are none of
  return profile::ToValidUtf8(otlp::AnyValueText(value, {}, budget));
}

void TakeResource(const common::KeyValue& pair, ProcessContext& context) {
  identity::Attribute attribute{.key = profile::ToValidUtf8(pair.key()), .value = {}};
  if (attribute.key.empty() || identity::Find(context.resource, attribute.key) != nullptr) return;
  if (pair.value().value_case() == common::AnyValue::kIntValue) {
    attribute.value = pair.value().int_value();
  } else {
    std::string text = TextOf(pair.value());
    if (text.empty()) return;
    attribute.value = std::move(text);
  }
  context.resource.push_back(std::move(attribute));
}

void TakeFurther(const common::KeyValue& pair, ProcessContext& context) {
  if (pair.key() == "threadlocal.schema_version") {
    context.thread_schema = TextOf(pair.value());
  } else if (pair.key() == "threadlocal.attribute_key_map") {
    const auto& names = pair.value().array_value().values();
    context.thread_keys.clear();
    for (int i = 0; i < names.size() && context.thread_keys.size() < kMaxThreadKeys; ++i) {
      context.thread_keys.push_back(TextOf(names[i]));
    }
  }
}

// Between reads that have to be in order. As std::atomic_thread_fence, which gcc refuses under -fsanitize=thread.
void Fence() { __sync_synchronize(); }

StatusOr<Header> ReadHeader(const ProcessMemory& memory, ProcessAddress address) {
  Header header;
  KILN_RETURN_IF_ERROR(memory.Read(address, std::as_writable_bytes(std::span(&header, 1))));
  if (std::string_view(header.signature, sizeof(header.signature)) != kSignature) {
    return Error(absl::StatusCode::kDataLoss, "process context: the mapping is something else");
  }
  if (header.version != kVersion) {
    return Error(absl::StatusCode::kFailedPrecondition, "process context of version {}; kiln reads {}", header.version,
                 kVersion);
  }
  return header;
}

StatusOr<uint64_t> ReadTime(const ProcessMemory& memory, ProcessAddress address) {
  uint64_t time = 0;
  const ProcessAddress at(address.value() + offsetof(Header, published_ns));
  KILN_RETURN_IF_ERROR(memory.Read(at, std::as_writable_bytes(std::span(&time, 1))));
  return time;
}

}  // namespace

StatusOr<ProcessContext> ParseProcessContext(std::string_view payload) {
  const google::protobuf::LogSilencer errors_are_returned;
  ::opentelemetry::proto::processcontext::v1development::ProcessContext message;
  if (payload.size() > kMaxProcessContextBytes ||
      !message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return Error(absl::StatusCode::kDataLoss, "process context: not the message that is announced");
  }
  ProcessContext context;
  for (const common::KeyValue& pair : message.resource().attributes()) TakeResource(pair, context);
  for (const common::KeyValue& pair : message.attributes()) TakeFurther(pair, context);
  return context;
}

std::optional<ProcessAddress> FindProcessContext(std::string_view maps) {
  constexpr std::array<std::string_view, 3> kNames = {"[anon_shmem:OTEL_CTX]", "[anon:OTEL_CTX]", "/memfd:OTEL_CTX"};
  while (!maps.empty()) {
    const std::string_view line = maps.substr(0, maps.find('\n'));
    maps.remove_prefix(std::min(maps.size(), line.size() + 1));
    // start-end permissions offset device inode name: the name has no space before it, the rest has none in it.
    size_t at = 0;
    for (int word = 0; word < 5; ++word) {
      at = std::min(line.find(' ', at), line.size());
      at = std::min(line.find_first_not_of(' ', at), line.size());
    }
    const std::string_view name = line.substr(at);
    const auto is_name = [name](std::string_view known) { return name.starts_with(known); };
    if (std::ranges::none_of(kNames, is_name)) continue;
    const size_t permissions = line.find(' ') + 1;
    const std::string_view start = line.substr(0, line.find('-'));
    uint64_t address = 0;
    // Code is none: a process must not make readers take what it runs for what it says.
    if (line.substr(permissions, 4).find('x') != std::string_view::npos) continue;
    if (absl::SimpleHexAtoi(absl::string_view(start.data(), start.size()), &address)) return ProcessAddress(address);
  }
  return std::nullopt;
}

StatusOr<PublishedContext> ReadProcessContext(const ProcessMemory& memory, ProcessAddress address, uint64_t known_ns) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    KILN_ASSIGN_OR_RETURN(const uint64_t before, ReadTime(memory, address));
    if (before == 0) continue;
    Fence();
    KILN_ASSIGN_OR_RETURN(const Header header, ReadHeader(memory, address));
    if (before == known_ns && header.published_ns == before)
      return PublishedContext{.published_ns = before, .context = {}};
    Status status;
    std::string payload;
    if (header.payload_bytes == 0 || header.payload_bytes > kMaxProcessContextBytes) {
      status = Error(absl::StatusCode::kDataLoss, "process context: {} bytes", header.payload_bytes);
    } else {
      payload.resize(header.payload_bytes);
      status = memory.Read(ProcessAddress(header.payload), std::as_writable_bytes(std::span(payload)));
    }
    Fence();
    KILN_ASSIGN_OR_RETURN(const uint64_t after, ReadTime(memory, address));
    // What went wrong while it changed is no fault.
    if (after != before || header.published_ns != before) continue;
    KILN_RETURN_IF_ERROR(status);
    KILN_ASSIGN_OR_RETURN(ProcessContext context, ParseProcessContext(payload));
    return PublishedContext{.published_ns = before, .context = std::move(context)};
  }
  return Error(absl::StatusCode::kUnavailable, "process context: it was being changed all the time");
}

}  // namespace kiln::agent
