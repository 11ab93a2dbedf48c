// SPDX-License-Identifier: Apache-2.0
// Reads ProfilesData of any sender: first the dictionary, table by table in the order of dependence, then the types of
// all profiles (they decide how many values a sample has), then the samples.
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <limits>

#include "otlp/any_value.h"
#include "otlp/profiles.h"
#include "otlp/profiles.pb.h"
#include "otlp/semconv.h"
#include "profile/builder.h"

namespace kiln::otlp {
namespace {

namespace pb = ::opentelemetry::proto::profiles::v1development;
namespace common_pb = ::opentelemetry::proto::common::v1;
using profile::AttributeIndex;
using profile::AttributeSetIndex;
using profile::FunctionIndex;
using profile::LinkIndex;
using profile::LocationIndex;
using profile::MappingIndex;
using profile::ProfileBuilder;
using profile::StackIndex;
using profile::StringIndex;
using Indices = google::protobuf::RepeatedField<int32_t>;

// How many bytes of text the references inside arrays and maps may become in one file: a reference takes three bytes,
// what it names may take a gigabyte.
constexpr size_t kMaxNestedText = size_t{16} << 20;
constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();

template <typename... Args>
Status Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return Error(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

int64_t Clamp(uint64_t value) { return value > uint64_t{kMaxInt64} ? kMaxInt64 : static_cast<int64_t>(value); }

// What index `index` of the translated table `table` stands for. Index 0 is allowed even in a table that was left out:
// then it is `zero`.
template <typename T>
Status Lookup(const std::vector<T>& table, int64_t index, std::string_view name, const T& zero, T& out) {
  if (index < 0 || (index != 0 && static_cast<uint64_t>(index) >= table.size())) {
    return Invalid("{} {} is out of range ({})", name, index, table.size());
  }
  out = table.empty() ? zero : table[static_cast<size_t>(index)];
  return absl::OkStatus();
}

class Decoder {
 public:
  explicit Decoder(const pb::ProfilesData& message) : m_(message), d_(message.dictionary()) {}

  StatusOr<profile::Profile> Run() && {
    KILN_RETURN_IF_ERROR(DecodeStrings());
    KILN_RETURN_IF_ERROR(DecodeTable("attribute", d_.attribute_table(), &Decoder::DecodeAttribute));
    KILN_RETURN_IF_ERROR(DecodeTable("mapping", d_.mapping_table(), &Decoder::DecodeMapping));
    KILN_RETURN_IF_ERROR(DecodeTable("function", d_.function_table(), &Decoder::DecodeFunction));
    KILN_RETURN_IF_ERROR(DecodeTable("location", d_.location_table(), &Decoder::DecodeLocation));
    KILN_RETURN_IF_ERROR(DecodeTable("stack", d_.stack_table(), &Decoder::DecodeStack));
    KILN_RETURN_IF_ERROR(DecodeTable("link", d_.link_table(), &Decoder::DecodeLink));
    KILN_RETURN_IF_ERROR(ForEachProfile(&Decoder::DecodeHead));
    if (types_.empty()) return Invalid("there is no profile");
    builder_.SetSampleTypes(types_);
    builder_.SetPeriod(period_type_, period_);
    builder_.SetTime(start_, end_ - start_);
    KILN_RETURN_IF_ERROR(ForEachProfile(&Decoder::DecodeSamples));
    builder_.SetProperties(builder_.AddAttributeSet(properties_));
    return std::move(builder_).Finish();
  }

 private:
  template <typename Message>
  Status DecodeTable(std::string_view name, const google::protobuf::RepeatedPtrField<Message>& table,
                     Status (Decoder::*decode)(const Message&, bool zero)) {
    for (int i = 0; i < table.size(); ++i) {
      if (Status status = (this->*decode)(table[i], i == 0); !status.ok()) {
        return Annotate(status, fmt::format("{} {}", name, i));
      }
    }
    return absl::OkStatus();
  }

  Status ForEachProfile(Status (Decoder::*decode)(const pb::Profile&)) {
    for (int r = 0; r < m_.resource_profiles_size(); ++r) {
      const pb::ResourceProfiles& resource = m_.resource_profiles(r);
      if (Status status = DecodeResource(resource); !status.ok())
        return Annotate(status, fmt::format("resource {}", r));
      for (int s = 0; s < resource.scope_profiles_size(); ++s) {
        for (int p = 0; p < resource.scope_profiles(s).profiles_size(); ++p) {
          if (Status status = (this->*decode)(resource.scope_profiles(s).profiles(p)); !status.ok()) {
            return Annotate(status, fmt::format("resource {}, scope {}, profile {}", r, s, p));
          }
        }
      }
    }
    return absl::OkStatus();
  }

  Status Text(int64_t index, std::string_view name, StringIndex& out) const {
    return Lookup(strings_, index, name, StringIndex(0), out);
  }

  Status DecodeStrings() {
    if (d_.string_table_size() > 0 && !d_.string_table(0).empty()) return Invalid("string 0 is not empty");
    for (const std::string& text : d_.string_table()) strings_.push_back(builder_.String(text));
    return absl::OkStatus();
  }

  Status DecodeValue(const common_pb::AnyValue& in, profile::AttributeValue& out) {
    switch (in.value_case()) {
      case common_pb::AnyValue::kStringValue: out = builder_.String(in.string_value()); break;
      case common_pb::AnyValue::kBoolValue: out = in.bool_value(); break;
      case common_pb::AnyValue::kIntValue: out = in.int_value(); break;
      case common_pb::AnyValue::kDoubleValue: out = in.double_value(); break;
      case common_pb::AnyValue::kStringValueStrindex: {
        StringIndex text(0);
        KILN_RETURN_IF_ERROR(Text(in.string_value_strindex(), "string index", text));
        out = text;
        break;
      }
      default: out = builder_.String(AnyValueText(in, d_.string_table(), nested_text_budget_)); break;
    }
    return absl::OkStatus();
  }

  // Entry 0 means "no attribute" and is left out of every list.
  Status DecodeAttribute(const pb::KeyValueAndUnit& in, bool zero) {
    if (zero) {
      attributes_.push_back(std::nullopt);
      return absl::OkStatus();
    }
    profile::Attribute attribute{StringIndex(0), StringIndex(0), StringIndex(0)};
    KILN_RETURN_IF_ERROR(Text(in.key_strindex(), "key", attribute.key));
    KILN_RETURN_IF_ERROR(Text(in.unit_strindex(), "unit", attribute.unit));
    KILN_RETURN_IF_ERROR(DecodeValue(in.value(), attribute.value));
    attributes_.push_back(builder_.AddAttribute(attribute));
    return absl::OkStatus();
  }

  Status Attributes(const Indices& indices, std::vector<AttributeIndex>& out) const {
    for (const int32_t index : indices) {
      std::optional<AttributeIndex> attribute;
      KILN_RETURN_IF_ERROR(Lookup(attributes_, index, "attribute index", {}, attribute));
      if (attribute) out.push_back(*attribute);
    }
    return absl::OkStatus();
  }

  // The text of the attribute `key` among `indices`, index 0 if there is none.
  Status FindText(const Indices& indices, std::string_view key, StringIndex& out) const {
    std::vector<AttributeIndex> attributes;
    KILN_RETURN_IF_ERROR(Attributes(indices, attributes));
    for (const AttributeIndex index : attributes) {
      const profile::Attribute& attribute = builder_.profile().attributes[index];
      const auto* text = std::get_if<StringIndex>(&attribute.value);
      if (text != nullptr && builder_.profile().strings[attribute.key] == key) out = *text;
    }
    return absl::OkStatus();
  }

  Status DecodeMapping(const pb::Mapping& in, bool zero) {
    profile::Mapping mapping = profile::WithPossibleRange({.memory_start = in.memory_start(),
                                                           .memory_limit = in.memory_limit(),
                                                           .file_offset = in.file_offset(),
                                                           .filename = StringIndex(0),
                                                           .build_id = StringIndex(0)});
    KILN_RETURN_IF_ERROR(Text(in.filename_strindex(), "file name", mapping.filename));
    KILN_RETURN_IF_ERROR(FindText(in.attribute_indices(), kBuildIdGnu, mapping.build_id));
    const bool none = zero || mapping == profile::Mapping{0, 0, 0, StringIndex(0), StringIndex(0)};
    mappings_.push_back(none ? std::nullopt : std::optional(builder_.AddMapping(mapping)));
    return absl::OkStatus();
  }

  Status DecodeFunction(const pb::Function& in, bool zero) {
    profile::Function function{.name = StringIndex(0),
                               .system_name = StringIndex(0),
                               .filename = StringIndex(0),
                               .start_line = std::max<int64_t>(in.start_line(), 0)};
    KILN_RETURN_IF_ERROR(Text(in.name_strindex(), "name", function.name));
    KILN_RETURN_IF_ERROR(Text(in.system_name_strindex(), "system name", function.system_name));
    KILN_RETURN_IF_ERROR(Text(in.filename_strindex(), "file name", function.filename));
    if (function.name.value() == 0) function.name = function.system_name;
    if (function.name.value() == 0) function.name = builder_.String("[unknown]");
    if (function.system_name == function.name) function.system_name = StringIndex(0);
    functions_.push_back(zero ? std::nullopt : std::optional(builder_.AddFunction(function)));
    return absl::OkStatus();
  }

  Status DecodeLocation(const pb::Location& in, bool) {
    profile::Location location{
        .mapping = std::nullopt, .address = in.address(), .type = profile::FrameType::kUnknown, .lines = {}};
    KILN_RETURN_IF_ERROR(Lookup(mappings_, in.mapping_index(), "mapping index", {}, location.mapping));
    for (const pb::Line& line : in.lines()) {
      std::optional<FunctionIndex> function;
      KILN_RETURN_IF_ERROR(Lookup(functions_, line.function_index(), "function index", {}, function));
      if (!function) continue;
      location.lines.push_back({*function, std::max<int64_t>(line.line(), 0), std::max<int64_t>(line.column(), 0)});
    }
    StringIndex type(0);
    KILN_RETURN_IF_ERROR(FindText(in.attribute_indices(), kProfileFrameType, type));
    location.type = profile::FrameTypeFromName(builder_.profile().strings[type]);
    locations_.push_back(builder_.AddLocation(std::move(location)));
    return absl::OkStatus();
  }

  Status DecodeStack(const pb::Stack& in, bool) {
    std::vector<LocationIndex> stack;
    for (const int32_t index : in.location_indices()) {
      LocationIndex location(0);
      if (locations_.empty()) return Invalid("there is no location");
      KILN_RETURN_IF_ERROR(Lookup(locations_, index, "location index", LocationIndex(0), location));
      stack.push_back(location);
    }
    stacks_.push_back(builder_.AddStack(std::move(stack)));
    return absl::OkStatus();
  }

  Status DecodeLink(const pb::Link& in, bool zero) {
    profile::Link link{};
    const auto copy = [](const std::string& from, auto& to) {
      if (from.size() != to.size() && !from.empty()) return false;
      std::ranges::copy(from, to.begin());
      return true;
    };
    if (!copy(in.trace_id(), link.trace_id)) return Invalid("the trace id has {} bytes", in.trace_id().size());
    if (!copy(in.span_id(), link.span_id)) return Invalid("the span id has {} bytes", in.span_id().size());
    const bool none = zero || link == profile::Link{};
    links_.push_back(none ? std::nullopt : std::optional(builder_.AddLink(link)));
    return absl::OkStatus();
  }

  Status DecodeResource(const pb::ResourceProfiles& in) {
    std::vector<AttributeIndex> attributes;
    for (const common_pb::KeyValue& entry : in.resource().attributes()) {
      profile::Attribute attribute{StringIndex(0), StringIndex(0), StringIndex(0)};
      if (entry.key_strindex() != 0) {
        KILN_RETURN_IF_ERROR(Text(entry.key_strindex(), "attribute key", attribute.key));
      } else {
        attribute.key = builder_.String(entry.key());
      }
      KILN_RETURN_IF_ERROR(DecodeValue(entry.value(), attribute.value));
      attributes.push_back(builder_.AddAttribute(attribute));
    }
    resource_ = builder_.AddAttributeSet(attributes);
    return absl::OkStatus();
  }

  // Everything of a profile but its samples.
  Status DecodeHead(const pb::Profile& in) {
    profile::ValueType type{StringIndex(0), StringIndex(0)};
    profile::ValueType period_type{StringIndex(0), StringIndex(0)};
    KILN_RETURN_IF_ERROR(Text(in.sample_type().type_strindex(), "sample type", type.type));
    KILN_RETURN_IF_ERROR(Text(in.sample_type().unit_strindex(), "sample unit", type.unit));
    KILN_RETURN_IF_ERROR(Text(in.period_type().type_strindex(), "period type", period_type.type));
    KILN_RETURN_IF_ERROR(Text(in.period_type().unit_strindex(), "period unit", period_type.unit));
    const std::pair period(period_type, in.period());
    const auto [known, added] = periods_.try_emplace(type, period);
    if (!added && known->second != period) {
      return Invalid(
          "its period differs from that of an earlier profile of the same sample type, so they can't be merged");
    }
    if (added) {
      if (types_.size() == kMaxSampleTypes) {
        return Error(absl::StatusCode::kResourceExhausted, "there are more than {} sample types", kMaxSampleTypes);
      }
      types_.push_back(type);
      if (period_ == 0) std::tie(period_type_, period_) = period;
    }
    CoverTime(Clamp(in.time_unix_nano()), Clamp(in.duration_nano()));
    return DecodeProperties(in.attribute_indices());
  }

  // Extends the time that the result covers; start 0 is not known and says nothing beside one that is.
  void CoverTime(int64_t start, int64_t duration) {
    int64_t end = 0;
    if (__builtin_add_overflow(start, duration, &end)) end = kMaxInt64;
    if (start_ == 0 && start != 0) end_ = end;
    if (start_ == 0 || (start != 0 && start < start_)) start_ = start;
    if ((start == 0) == (start_ == 0)) end_ = std::max(end_, end);
  }

  Status DecodeProperties(const Indices& indices) {
    std::vector<AttributeIndex> attributes;
    KILN_RETURN_IF_ERROR(Attributes(indices, attributes));
    for (const AttributeIndex index : attributes) {
      if (property_keys_.insert(builder_.profile().attributes[index].key).second) properties_.push_back(index);
    }
    return absl::OkStatus();
  }

  Status DecodeSamples(const pb::Profile& in) {
    profile::ValueType type{StringIndex(0), StringIndex(0)};
    KILN_RETURN_IF_ERROR(Text(in.sample_type().type_strindex(), "sample type", type.type));
    KILN_RETURN_IF_ERROR(Text(in.sample_type().unit_strindex(), "sample unit", type.unit));
    const auto column = static_cast<size_t>(std::ranges::find(types_, type) - types_.begin());
    for (int i = 0; i < in.samples_size(); ++i) {
      if (Status status = DecodeSample(in.samples(i), column); !status.ok()) {
        return Annotate(status, fmt::format("sample {}", i));
      }
    }
    return absl::OkStatus();
  }

  Status DecodeSample(const pb::Sample& in, size_t column) {
    profile::SampleKey key{
        .stack = StackIndex(0), .resource = resource_, .attributes = AttributeSetIndex(0), .link = std::nullopt};
    if (stacks_.empty()) stacks_.push_back(builder_.AddStack({}));
    KILN_RETURN_IF_ERROR(Lookup(stacks_, in.stack_index(), "stack index", StackIndex(0), key.stack));
    std::vector<AttributeIndex> attributes;
    KILN_RETURN_IF_ERROR(Attributes(in.attribute_indices(), attributes));
    key.attributes = builder_.AddAttributeSet(attributes);
    KILN_RETURN_IF_ERROR(Lookup(links_, in.link_index(), "link index", {}, key.link));
    const int values = in.values_size();
    const int timestamps = in.timestamps_unix_nano_size();
    if (values == 0 && timestamps == 0) {
      return Invalid("neither values nor timestamps (a sender of OTLP 1.9 or older numbers the fields in another way)");
    }
    if (values != 0 && timestamps != 0 && values != timestamps) {
      return Invalid("{} values but {} timestamps", values, timestamps);
    }
    __int128 sum = values == 0 ? timestamps : 0;
    for (const int64_t value : in.values()) sum += value;
    std::vector<int64_t> row(types_.size());
    row[column] = static_cast<int64_t>(
        std::clamp<__int128>(sum, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()));
    builder_.AddSample(key, row);
    return absl::OkStatus();
  }

  struct TypeHash {
    size_t operator()(const profile::ValueType& type) const {
      return absl::Hash<std::pair<StringIndex, StringIndex>>{}({type.type, type.unit});
    }
  };

  const pb::ProfilesData& m_;
  const pb::ProfilesDictionary& d_;
  ProfileBuilder builder_;
  // The dictionary's tables by their own indices; nullopt stands for "none".
  std::vector<StringIndex> strings_;
  std::vector<std::optional<AttributeIndex>> attributes_;
  std::vector<std::optional<MappingIndex>> mappings_;
  std::vector<std::optional<FunctionIndex>> functions_;
  std::vector<LocationIndex> locations_;
  std::vector<StackIndex> stacks_;
  std::vector<std::optional<LinkIndex>> links_;

  std::vector<profile::ValueType> types_;
  absl::flat_hash_map<profile::ValueType, std::pair<profile::ValueType, int64_t>, TypeHash> periods_;
  profile::ValueType period_type_{StringIndex(0), StringIndex(0)};
  int64_t period_ = 0;
  int64_t start_ = 0;  // 0 = not known yet
  int64_t end_ = 0;
  size_t nested_text_budget_ = kMaxNestedText;
  std::vector<AttributeIndex> properties_;
  absl::flat_hash_set<StringIndex> property_keys_;
  AttributeSetIndex resource_{0};  // of the ResourceProfiles that is being read
};

}  // namespace

StatusOr<profile::Profile> DecodeProfilesData(std::string_view bytes) {
  if (bytes.size() > kMaxProfilesBytes) {
    return Error(absl::StatusCode::kResourceExhausted, "{} bytes are more than the limit of {}", bytes.size(),
                 kMaxProfilesBytes);
  }
  google::protobuf::Arena arena;
  auto* message = google::protobuf::Arena::CreateMessage<pb::ProfilesData>(&arena);
  const google::protobuf::LogSilencer errors_are_returned;
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Invalid("not OTLP profiles: the data is no protobuf message of this kind");
  }
  return Decoder(*message).Run();
}

}  // namespace kiln::otlp
