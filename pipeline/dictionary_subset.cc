// SPDX-License-Identifier: Apache-2.0
#include "pipeline/dictionary_subset.h"

#include <google/protobuf/io/coded_stream.h>

#include <string_view>

namespace kiln::pipeline {
namespace {

constexpr std::string_view kNames[] = {"string", "attribute", "mapping", "function", "location", "stack", "link"};

// ProfilesData.dictionary: field 2, with a length.
constexpr char kDictionaryTag = 0x12;
constexpr int64_t kMaxFieldHead = 6;

// As a field with a tag of one byte.
int64_t FieldBytes(size_t bytes) {
  return 1 + google::protobuf::io::CodedOutputStream::VarintSize32(static_cast<uint32_t>(bytes)) +
         static_cast<int64_t>(bytes);
}

}  // namespace

DictionarySubset::DictionarySubset(const profiles_pb::ProfilesDictionary& source) : source_(source) {
  out_.add_string_table("");
  out_.add_attribute_table();
  out_.add_mapping_table();
  out_.add_function_table();
  out_.add_location_table();
  out_.add_stack_table();
  out_.add_link_table();
  bytes_ = kMaxFieldHead + kTables * FieldBytes(0);
  for (int table = 0; table < kTables; ++table) {
    known_[table].assign(static_cast<size_t>(SourceSize(static_cast<Table>(table))), -1);
  }
}

int DictionarySubset::SourceSize(Table table) const {
  switch (table) {
    case kText: return source_.string_table_size();
    case kAttribute: return source_.attribute_table_size();
    case kMapping: return source_.mapping_table_size();
    case kFunction: return source_.function_table_size();
    case kLocation: return source_.location_table_size();
    case kStack: return source_.stack_table_size();
    case kLink: return source_.link_table_size();
    case kTables: break;
  }
  return 0;
}

Status DictionarySubset::Translate(Table table, int32_t& index) {
  if (index == 0) return absl::OkStatus();
  const int size = SourceSize(table);
  if (index < 0 || index >= size) {
    return Error(absl::StatusCode::kInvalidArgument, "{} index {} is out of range ({})", kNames[table], index, size);
  }
  int32_t& known = known_[table][static_cast<size_t>(index)];
  if (known < 0) {
    int64_t bytes = 0;
    int32_t copied = 0;
    KILN_RETURN_IF_ERROR(Copy(table, index, copied, bytes));
    known = copied;
    bytes_ += bytes;
    added_.push_back({table, index, bytes});
  }
  index = known;
  return absl::OkStatus();
}

Status DictionarySubset::Copy(Table table, int32_t source_index, int32_t& index, int64_t& bytes) {
  // The entry is finished before it gets its place, since what it refers to comes first; no entry refers to its own
  // table.
  const auto add = [&]<typename Entry>(Entry entry, google::protobuf::RepeatedPtrField<Entry>& entries) {
    bytes = FieldBytes(entry.ByteSizeLong());
    index = entries.size();
    *entries.Add() = std::move(entry);
    return absl::OkStatus();
  };
  switch (table) {
    case kText: {
      const std::string& text = source_.string_table(source_index);
      bytes = FieldBytes(text.size());
      index = out_.string_table_size();
      out_.add_string_table(text);
      return absl::OkStatus();
    }
    case kAttribute: {
      profiles_pb::KeyValueAndUnit entry;
      KILN_RETURN_IF_ERROR(CopyAttribute(source_index, entry));
      return add(std::move(entry), *out_.mutable_attribute_table());
    }
    case kMapping: {
      profiles_pb::Mapping entry;
      KILN_RETURN_IF_ERROR(CopyMapping(source_index, entry));
      return add(std::move(entry), *out_.mutable_mapping_table());
    }
    case kFunction: {
      profiles_pb::Function entry;
      KILN_RETURN_IF_ERROR(CopyFunction(source_index, entry));
      return add(std::move(entry), *out_.mutable_function_table());
    }
    case kLocation: {
      profiles_pb::Location entry;
      KILN_RETURN_IF_ERROR(CopyLocation(source_index, entry));
      return add(std::move(entry), *out_.mutable_location_table());
    }
    case kStack: {
      profiles_pb::Stack entry;
      KILN_RETURN_IF_ERROR(CopyStack(source_index, entry));
      return add(std::move(entry), *out_.mutable_stack_table());
    }
    case kLink: return add(profiles_pb::Link(source_.link_table(source_index)), *out_.mutable_link_table());
    case kTables: break;
  }
  return absl::InternalError("no such table");
}

template <typename Get, typename Set>
Status DictionarySubset::TranslateField(Table table, Get get, Set set) {
  int32_t index = get();
  KILN_RETURN_IF_ERROR(Translate(table, index));
  set(index);
  return absl::OkStatus();
}

#define KILN_TRANSLATE(table, message, field) \
  KILN_RETURN_IF_ERROR(TranslateField(        \
      table, [&] { return (message).field(); }, [&](int32_t index) { (message).set_##field(index); }))

Status DictionarySubset::Attributes(google::protobuf::RepeatedField<int32_t>& indices) {
  for (int32_t& index : indices) KILN_RETURN_IF_ERROR(Translate(kAttribute, index));
  return absl::OkStatus();
}

Status DictionarySubset::Value(common_pb::AnyValue& value) {
  switch (value.value_case()) {
    case common_pb::AnyValue::kStringValueStrindex: {
      KILN_TRANSLATE(kText, value, string_value_strindex);
      return absl::OkStatus();
    }
    case common_pb::AnyValue::kArrayValue:
      // As deep as the parser lets messages nest.
      for (common_pb::AnyValue& item : *value.mutable_array_value()->mutable_values())
        KILN_RETURN_IF_ERROR(Value(item));
      return absl::OkStatus();
    case common_pb::AnyValue::kKvlistValue: return KeyValues(*value.mutable_kvlist_value()->mutable_values());
    default: return absl::OkStatus();
  }
}

Status DictionarySubset::KeyValues(google::protobuf::RepeatedPtrField<common_pb::KeyValue>& attributes) {
  for (common_pb::KeyValue& attribute : attributes) {
    KILN_TRANSLATE(kText, attribute, key_strindex);
    if (attribute.has_value()) KILN_RETURN_IF_ERROR(Value(*attribute.mutable_value()));
  }
  return absl::OkStatus();
}

Status DictionarySubset::CopyAttribute(int32_t source_index, profiles_pb::KeyValueAndUnit& to) {
  to = source_.attribute_table(source_index);
  KILN_TRANSLATE(kText, to, key_strindex);
  KILN_TRANSLATE(kText, to, unit_strindex);
  return to.has_value() ? Value(*to.mutable_value()) : absl::OkStatus();
}

Status DictionarySubset::CopyMapping(int32_t source_index, profiles_pb::Mapping& to) {
  to = source_.mapping_table(source_index);
  KILN_TRANSLATE(kText, to, filename_strindex);
  return Attributes(*to.mutable_attribute_indices());
}

Status DictionarySubset::CopyFunction(int32_t source_index, profiles_pb::Function& to) {
  to = source_.function_table(source_index);
  KILN_TRANSLATE(kText, to, name_strindex);
  KILN_TRANSLATE(kText, to, system_name_strindex);
  KILN_TRANSLATE(kText, to, filename_strindex);
  return absl::OkStatus();
}

Status DictionarySubset::CopyLocation(int32_t source_index, profiles_pb::Location& to) {
  to = source_.location_table(source_index);
  KILN_TRANSLATE(kMapping, to, mapping_index);
  for (profiles_pb::Line& line : *to.mutable_lines()) KILN_TRANSLATE(kFunction, line, function_index);
  return Attributes(*to.mutable_attribute_indices());
}

Status DictionarySubset::CopyStack(int32_t source_index, profiles_pb::Stack& to) {
  to = source_.stack_table(source_index);
  for (int32_t& index : *to.mutable_location_indices()) KILN_RETURN_IF_ERROR(Translate(kLocation, index));
  return absl::OkStatus();
}

#undef KILN_TRANSLATE

void DictionarySubset::AppendField(std::string& out) const {
  uint8_t length[5];
  const auto* end =
      google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(out_.ByteSizeLong()), length);
  out += kDictionaryTag;
  out.append(reinterpret_cast<const char*>(length), static_cast<size_t>(end - length));
  out_.AppendToString(&out);
}

void DictionarySubset::RollBack(size_t mark) {
  while (added_.size() > mark) {
    const Added& last = added_.back();
    switch (last.table) {
      case kText: out_.mutable_string_table()->RemoveLast(); break;
      case kAttribute: out_.mutable_attribute_table()->RemoveLast(); break;
      case kMapping: out_.mutable_mapping_table()->RemoveLast(); break;
      case kFunction: out_.mutable_function_table()->RemoveLast(); break;
      case kLocation: out_.mutable_location_table()->RemoveLast(); break;
      case kStack: out_.mutable_stack_table()->RemoveLast(); break;
      case kLink: out_.mutable_link_table()->RemoveLast(); break;
      case kTables: break;
    }
    known_[last.table][static_cast<size_t>(last.source_index)] = -1;
    bytes_ -= last.bytes;
    added_.pop_back();
  }
}

}  // namespace kiln::pipeline
