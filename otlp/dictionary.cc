// SPDX-License-Identifier: Apache-2.0
#include "otlp/dictionary.h"

#include <algorithm>
#include <limits>

#include "otlp/semconv.h"

namespace kiln::otlp {
namespace {

constexpr uint64_t kUnknownLimit = std::numeric_limits<uint64_t>::max();

// OTLP wants start < limit, or 0 for both; the model has a limit above the start, or none.
void SetRange(const profile::Mapping& mapping, pb::Mapping& out) {
  if (mapping.memory_limit != 0) {
    out.set_memory_start(mapping.memory_start);
    out.set_memory_limit(mapping.memory_limit);
  } else if (mapping.memory_start != 0) {
    out.set_memory_start(mapping.memory_start);
    out.set_memory_limit(kUnknownLimit);
  }
}

int64_t NotNegative(int64_t value) { return std::max<int64_t>(value, 0); }

template <size_t kSize>
std::string Bytes(const std::array<uint8_t, kSize>& id) {
  return {reinterpret_cast<const char*>(id.data()), kSize};
}

}  // namespace

size_t FieldBytes(size_t length) {
  size_t varint = 1;
  for (size_t rest = length; rest >= 0x80; rest >>= 7) ++varint;
  return 1 + varint + length;
}

void SetValue(const profile::Profile& profile, const profile::AttributeValue& value, common_pb::AnyValue& out) {
  if (const auto* text = std::get_if<profile::StringIndex>(&value)) out.set_string_value(profile.strings[*text]);
  if (const auto* number = std::get_if<int64_t>(&value)) out.set_int_value(*number);
  if (const auto* real = std::get_if<double>(&value)) out.set_double_value(*real);
  if (const auto* truth = std::get_if<bool>(&value)) out.set_bool_value(*truth);
}

DictionaryBuilder::DictionaryBuilder(const profile::Profile& profile)
    : p_(profile),
      text_memo_(profile.strings.size(), -1),
      attribute_memo_(profile.attributes.size(), -1),
      mapping_memo_(profile.mappings.size(), -1),
      function_memo_(profile.functions.size(), -1),
      location_memo_(profile.locations.size(), -1),
      stack_memo_(profile.stacks.size(), -1),
      link_memo_(profile.links.size(), -1) {
  dictionary_.add_string_table("");
  dictionary_.add_attribute_table();
  dictionary_.add_mapping_table();
  dictionary_.add_function_table();
  dictionary_.add_location_table();
  dictionary_.add_stack_table();
  dictionary_.add_link_table();
  for (Known* known : {&texts_, &attributes_, &mappings_, &functions_, &locations_, &stacks_, &links_}) {
    known->emplace("", 0);
  }
}

template <typename Message>
int32_t DictionaryBuilder::Intern(Message&& message, Known& known, google::protobuf::RepeatedPtrField<Message>& table) {
  const auto [entry, added] = known.try_emplace(message.SerializeAsString(), table.size());
  if (added) {
    *table.Add() = std::move(message);
    bytes_ += FieldBytes(entry->first.size());
  }
  return entry->second;
}

int32_t DictionaryBuilder::Remember(Memo& memo, uint32_t index, int32_t found) {
  memo[index] = found;
  remembered_.push_back(&memo[index]);
  return found;
}

DictionaryBuilder::Mark DictionaryBuilder::Here() const {
  const pb::ProfilesDictionary& d = dictionary_;
  return {{d.mapping_table_size(), d.location_table_size(), d.function_table_size(), d.link_table_size(),
           d.string_table_size(), d.attribute_table_size(), d.stack_table_size()},
          remembered_.size(),
          bytes_};
}

template <typename Message>
void DictionaryBuilder::Shrink(int size, Known& known, google::protobuf::RepeatedPtrField<Message>& table) {
  while (table.size() > size) {
    if constexpr (std::is_same_v<Message, std::string>) {
      known.erase(table[table.size() - 1]);
    } else {
      known.erase(table[table.size() - 1].SerializeAsString());
    }
    table.RemoveLast();
  }
}

void DictionaryBuilder::RollBack(const Mark& mark) {
  Shrink(mark.sizes[0], mappings_, *dictionary_.mutable_mapping_table());
  Shrink(mark.sizes[1], locations_, *dictionary_.mutable_location_table());
  Shrink(mark.sizes[2], functions_, *dictionary_.mutable_function_table());
  Shrink(mark.sizes[3], links_, *dictionary_.mutable_link_table());
  Shrink(mark.sizes[4], texts_, *dictionary_.mutable_string_table());
  Shrink(mark.sizes[5], attributes_, *dictionary_.mutable_attribute_table());
  Shrink(mark.sizes[6], stacks_, *dictionary_.mutable_stack_table());
  for (; remembered_.size() > mark.remembered; remembered_.pop_back()) *remembered_.back() = -1;
  bytes_ = mark.bytes;
}

int32_t DictionaryBuilder::Text(std::string_view text) {
  const auto [entry, added] = texts_.try_emplace(std::string(text), dictionary_.string_table_size());
  if (added) {
    dictionary_.add_string_table(entry->first);
    bytes_ += FieldBytes(text.size());
  }
  return entry->second;
}

int32_t DictionaryBuilder::Text(profile::StringIndex index) {
  const int32_t memo = text_memo_[index.value()];
  return memo >= 0 ? memo : Remember(text_memo_, index.value(), Text(p_.strings[index]));
}

int32_t DictionaryBuilder::Attribute(profile::AttributeIndex index) {
  if (const int32_t memo = attribute_memo_[index.value()]; memo >= 0) return memo;
  const profile::Attribute& attribute = p_.attributes[index];
  pb::KeyValueAndUnit out;
  out.set_key_strindex(Text(attribute.key));
  SetValue(p_, attribute.value, *out.mutable_value());
  out.set_unit_strindex(Text(attribute.unit));
  return Remember(attribute_memo_, index.value(),
                  Intern(std::move(out), attributes_, *dictionary_.mutable_attribute_table()));
}

int32_t DictionaryBuilder::TextAttribute(std::string_view key, std::string_view value) {
  pb::KeyValueAndUnit out;
  out.set_key_strindex(Text(key));
  out.mutable_value()->set_string_value(std::string(value));
  return Intern(std::move(out), attributes_, *dictionary_.mutable_attribute_table());
}

int32_t DictionaryBuilder::Mapping(profile::MappingIndex index) {
  if (const int32_t memo = mapping_memo_[index.value()]; memo >= 0) return memo;
  const profile::Mapping& mapping = p_.mappings[index];
  pb::Mapping out;
  SetRange(mapping, out);
  out.set_file_offset(mapping.file_offset);
  out.set_filename_strindex(Text(mapping.filename));
  if (mapping.build_id.value() != 0) {
    out.add_attribute_indices(TextAttribute(kBuildIdGnu, p_.strings[mapping.build_id]));
  }
  return Remember(mapping_memo_, index.value(),
                  Intern(std::move(out), mappings_, *dictionary_.mutable_mapping_table()));
}

int32_t DictionaryBuilder::Function(profile::FunctionIndex index) {
  if (const int32_t memo = function_memo_[index.value()]; memo >= 0) return memo;
  const profile::Function& function = p_.functions[index];
  pb::Function out;
  out.set_name_strindex(Text(function.name));
  if (function.system_name != function.name) out.set_system_name_strindex(Text(function.system_name));
  out.set_filename_strindex(Text(function.filename));
  out.set_start_line(NotNegative(function.start_line));
  return Remember(function_memo_, index.value(),
                  Intern(std::move(out), functions_, *dictionary_.mutable_function_table()));
}

int32_t DictionaryBuilder::Location(profile::LocationIndex index) {
  if (const int32_t memo = location_memo_[index.value()]; memo >= 0) return memo;
  const profile::Location& location = p_.locations[index];
  pb::Location out;
  if (location.mapping) out.set_mapping_index(Mapping(*location.mapping));
  out.set_address(location.address);
  for (const profile::Line& line : location.lines) {
    pb::Line& to = *out.add_lines();
    to.set_function_index(Function(line.function));
    to.set_line(NotNegative(line.line));
    to.set_column(NotNegative(line.column));
  }
  if (location.type != profile::FrameType::kUnknown) {
    out.add_attribute_indices(TextAttribute(kProfileFrameType, profile::FrameTypeName(location.type)));
  }
  return Remember(location_memo_, index.value(),
                  Intern(std::move(out), locations_, *dictionary_.mutable_location_table()));
}

int32_t DictionaryBuilder::Stack(profile::StackIndex index) {
  if (const int32_t memo = stack_memo_[index.value()]; memo >= 0) return memo;
  pb::Stack out;
  for (const profile::LocationIndex location : p_.stacks[index].locations) {
    out.add_location_indices(Location(location));
  }
  return Remember(stack_memo_, index.value(), Intern(std::move(out), stacks_, *dictionary_.mutable_stack_table()));
}

int32_t DictionaryBuilder::Link(profile::LinkIndex index) {
  if (const int32_t memo = link_memo_[index.value()]; memo >= 0) return memo;
  const profile::Link& link = p_.links[index];
  pb::Link out;
  if (link != profile::Link{}) {
    out.set_trace_id(Bytes(link.trace_id));
    out.set_span_id(Bytes(link.span_id));
  }
  return Remember(link_memo_, index.value(), Intern(std::move(out), links_, *dictionary_.mutable_link_table()));
}

}  // namespace kiln::otlp
