// SPDX-License-Identifier: Apache-2.0
// OTLP/JSON of any message in the table of schema.h, straight from its wire bytes.
//
// The deviations from proto3's own JSON are OTLP's: names in lowerCamelCase, trace, span and profile ids in hex, enums
// as integers, 64-bit integers as decimal strings, other bytes in base64. Fields with a zero value are left out unless
// their presence says something (oneof, optional). Not a number and infinities are the strings "NaN", "Infinity" and
// "-Infinity". Order: that of the field numbers.
//
// Wire bytes are read as protobuf's own readers do: unknown fields and fields of another wire type are skipped, of
// several values of a field that is not repeated the last counts, messages are merged, repeated numbers may be packed
// or not. Text that is no UTF-8 is repaired with U+FFFD instead of refused.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "otlp/schema.h"

namespace kiln::otlp {

// How deep messages may be nested, as in libprotobuf.
inline constexpr int kMaxJsonDepth = 100;

// Appends the message as one line without a line break at its end. kInvalidArgument if the bytes are no protobuf
// message or nested deeper than kMaxJsonDepth; kResourceExhausted if more than about `max_bytes` would be appended
// (wire bytes can become twenty times as many). After an error `out` is as it was.
Status AppendJson(const schema::Message& message, std::string_view wire, size_t max_bytes, std::string& out);

}  // namespace kiln::otlp
