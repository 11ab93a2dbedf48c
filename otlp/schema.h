// SPDX-License-Identifier: Apache-2.0
// The fields of OTLP's messages (1.10 and 1.11, all signals) as a table, for code that works on wire bytes of any of
// them: kiln's .proto files ask for the lite runtime, which has no descriptors. Tests compare it with the .proto files
// of this folder and with the package opentelemetry-proto (tests/formats/otlp_peer.py).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace kiln::otlp::schema {

enum class Kind : uint8_t {
  kString,
  kBytes,
  kId,  // bytes on the wire; a trace, span or profile id
  kBool,
  kInt32,
  kInt64,
  kUint32,
  kUint64,
  kSint32,
  kEnum,
  kFixed32,
  kFixed64,
  kSfixed64,
  kDouble,
  kMessage,
};

enum class Presence : uint8_t {
  kImplicit,  // the zero value says the same as no field; messages: present or not
  kExplicit,  // `optional`
  kOneof,     // no message of OTLP has more than one oneof
  kRepeated,
};

struct Message;

struct Field {
  uint32_t number;
  std::string_view name;  // as in the .proto file
  Kind kind;
  Presence presence = Presence::kImplicit;
  const Message* message = nullptr;  // of kMessage
};

struct Message {
  std::string_view name;          // without the package, of nested ones "Span.Event"
  std::string_view package;       // e.g. "opentelemetry.proto.common.v1"
  std::span<const Field> fields;  // by number
};

// The request of each signal; its first field is that of TracesData, MetricsData …, so that it reads files of those
// too.
extern const Message kExportTraceServiceRequest;
extern const Message kExportMetricsServiceRequest;
extern const Message kExportLogsServiceRequest;
extern const Message kExportProfilesServiceRequest;

// Every message of the table, without the four above.
std::span<const Message* const> AllMessages();

}  // namespace kiln::otlp::schema
