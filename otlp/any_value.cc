// SPDX-License-Identifier: Apache-2.0
#include "otlp/any_value.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace kiln::otlp {
namespace {

namespace common_pb = ::opentelemetry::proto::common::v1;
using nlohmann::json;
using Strings = google::protobuf::RepeatedPtrField<std::string>;

std::string Hex(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string Reference(const Strings& strings, int32_t index, size_t& budget) {
  if (index < 0 || index >= strings.size() || strings[index].size() > budget) return "";
  budget -= strings[index].size();
  return strings[index];
}

// Recursion is bounded: libprotobuf parses no more than 100 levels.
json ToJson(const common_pb::AnyValue& value, const Strings& strings, size_t& budget) {
  switch (value.value_case()) {
    case common_pb::AnyValue::kStringValue: return value.string_value();
    case common_pb::AnyValue::kBoolValue: return value.bool_value();
    case common_pb::AnyValue::kIntValue: return value.int_value();
    case common_pb::AnyValue::kDoubleValue: return value.double_value();
    case common_pb::AnyValue::kBytesValue: return Hex(value.bytes_value());
    case common_pb::AnyValue::kStringValueStrindex: return Reference(strings, value.string_value_strindex(), budget);
    case common_pb::AnyValue::kArrayValue: {
      json out = json::array();
      for (const auto& item : value.array_value().values()) out.push_back(ToJson(item, strings, budget));
      return out;
    }
    case common_pb::AnyValue::kKvlistValue: {
      json out = json::object();
      for (const auto& item : value.kvlist_value().values()) {
        const std::string key = item.key_strindex() != 0 ? Reference(strings, item.key_strindex(), budget) : item.key();
        out[key] = ToJson(item.value(), strings, budget);
      }
      return out;
    }
    default: return nullptr;
  }
}

}  // namespace

std::string AnyValueText(const common_pb::AnyValue& value, const Strings& strings, size_t& budget) {
  const json document = ToJson(value, strings, budget);
  if (document.is_null()) return "";
  if (document.is_string()) return document.get<std::string>();
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace kiln::otlp
