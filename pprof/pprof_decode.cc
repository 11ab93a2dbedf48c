// SPDX-License-Identifier: Apache-2.0
// Reads pprof. Everything in the file is checked before use: libprotobuf vouches for the shape only, never for an
// index.
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <charconv>

#include "base/gzip.h"
#include "pprof/labels.h"
#include "pprof/pprof.h"
#include "pprof/pprof.pb.h"
#include "profile/builder.h"

namespace kiln::pprof {
namespace {

namespace pb = ::perftools::profiles;
using profile::AttributeIndex;
using profile::FunctionIndex;
using profile::Link;
using profile::LocationIndex;
using profile::MappingIndex;
using profile::ProfileBuilder;
using profile::StringIndex;

constexpr std::string_view kResourcePrefixes[] = {"process.",   "service.", "host.",      "os.",
                                                  "container.", "k8s.",     "telemetry.", "deployment."};

template <typename... Args>
Status Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return Error(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

bool IsResourceKey(std::string_view key) {
  return std::ranges::any_of(kResourcePrefixes, [&](std::string_view prefix) { return key.starts_with(prefix); });
}

bool IsPropertyKey(std::string_view key) {
  // Keys of ours may be worded: "kiln.frames.unnamed: file is gone".
  const bool is_ours = key.starts_with("kiln.");
  const auto allowed = [is_ours](char c) {
    return (is_ours && (c == ' ' || c == ':')) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  };
  // What has a field of its own in pprof is no comment.
  const std::string_view kReserved[] = {kForeignComment, kDropFrames, kKeepFrames, kDocUrl, kDefaultSampleType};
  return !key.empty() && std::ranges::all_of(key, allowed) && std::ranges::find(kReserved, key) == std::end(kReserved);
}

// The integer that is written exactly like this: no plus sign, no leading zeros, no "-0".
std::optional<int64_t> PlainInteger(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || fmt::format("{}", value) != text) return std::nullopt;
  return value;
}

// The id written as lower- or upper-case hex; nullopt for any other text and for the invalid id of all zeros.
template <size_t kSize>
std::optional<std::array<uint8_t, kSize>> ParseId(std::string_view hex) {
  if (hex.size() != 2 * kSize) return std::nullopt;
  std::array<uint8_t, kSize> id;
  for (size_t i = 0; i < kSize; ++i) {
    const char* const at = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(at, at + 2, id[i], 16);
    if (error != std::errc() || end != at + 2) return std::nullopt;
  }
  if (id == std::array<uint8_t, kSize>{}) return std::nullopt;
  return id;
}

class Decoder {
 public:
  explicit Decoder(const pb::Profile& message) : m_(message) {}

  StatusOr<profile::Profile> Run() && {
    KILN_RETURN_IF_ERROR(DecodeStrings());
    KILN_RETURN_IF_ERROR(DecodeTypes());
    KILN_RETURN_IF_ERROR(DecodeMappings());
    KILN_RETURN_IF_ERROR(DecodeFunctions());
    KILN_RETURN_IF_ERROR(DecodeLocations());
    for (int i = 0; i < m_.sample_size(); ++i) KILN_RETURN_IF_ERROR(DecodeSample(i));
    KILN_RETURN_IF_ERROR(DecodeProperties());
    return std::move(builder_).Finish();
  }

 private:
  // The string that `owner`'s field `name` refers to.
  template <typename Owner>
  Status Resolve(int64_t reference, const Owner& owner, std::string_view name, StringIndex& out) const {
    if (reference < 0 || static_cast<uint64_t>(reference) >= strings_.size()) {
      return Invalid("{}: {} {} is out of range (there are {} strings)", owner, name, reference, strings_.size());
    }
    out = strings_[static_cast<size_t>(reference)];
    return absl::OkStatus();
  }
  const std::string& Text(StringIndex index) const { return builder_.profile().strings[index]; }

  Status DecodeStrings() {
    if (m_.string_table_size() == 0) return Invalid("the string table is empty");
    if (!m_.string_table(0).empty()) return Invalid("string 0 is not empty");
    for (const std::string& text : m_.string_table()) strings_.push_back(builder_.String(text));
    return absl::OkStatus();
  }

  Status ResolveType(const pb::ValueType& type, const std::string& owner, profile::ValueType& out) const {
    KILN_RETURN_IF_ERROR(Resolve(type.type(), owner, "type", out.type));
    return Resolve(type.unit(), owner, "unit", out.unit);
  }

  Status DecodeTypes() {
    if (m_.sample_type_size() == 0) return Invalid("there is no sample type");
    for (int i = 0; i < m_.sample_type_size(); ++i) {
      profile::ValueType type{StringIndex(0), StringIndex(0)};
      KILN_RETURN_IF_ERROR(ResolveType(m_.sample_type(i), fmt::format("sample type {}", i), type));
      types_.push_back(type);
    }
    profile::ValueType period_type{StringIndex(0), StringIndex(0)};
    KILN_RETURN_IF_ERROR(ResolveType(m_.period_type(), "period type", period_type));
    fold_cpu_time_ = IsCustomaryCpuPair(period_type);
    if (fold_cpu_time_) types_.pop_back();
    builder_.SetSampleTypes(types_);
    builder_.SetPeriod(period_type, m_.period());
    builder_.SetTime(m_.time_nanos(), m_.duration_nanos());
    return absl::OkStatus();
  }

  // samples/count and cpu/nanoseconds = count * period in every sample: the second value says nothing new.
  bool IsCustomaryCpuPair(const profile::ValueType& period_type) {
    const auto cpu = builder_.Type("cpu", "nanoseconds");
    if (types_ != std::vector{builder_.Type("samples", "count"), cpu} || period_type != cpu || m_.period() <= 0) {
      return false;
    }
    return std::ranges::all_of(m_.sample(), [&](const pb::Sample& sample) {
      int64_t product = 0;
      return sample.value_size() == 2 && !__builtin_mul_overflow(sample.value(0), m_.period(), &product) &&
             product == sample.value(1);
    });
  }

  // Enters `id` of the item `index`; ids are any numbers but 0.
  template <typename IndexType>
  static Status EnterId(uint64_t id, IndexType index, const std::string& owner,
                        absl::flat_hash_map<uint64_t, IndexType>& ids) {
    if (id == 0) return Invalid("{} has the id 0", owner);
    if (!ids.try_emplace(id, index).second) return Invalid("{} has the id {} of an earlier one", owner, id);
    return absl::OkStatus();
  }

  Status DecodeMappings() {
    for (int i = 0; i < m_.mapping_size(); ++i) {
      const pb::Mapping& in = m_.mapping(i);
      const std::string owner = fmt::format("mapping {}", i);
      profile::Mapping mapping{.memory_start = in.memory_start(),
                               .memory_limit = in.memory_limit(),
                               .file_offset = in.file_offset(),
                               .filename = StringIndex(0),
                               .build_id = StringIndex(0)};
      KILN_RETURN_IF_ERROR(Resolve(in.filename(), owner, "filename", mapping.filename));
      KILN_RETURN_IF_ERROR(Resolve(in.build_id(), owner, "build id", mapping.build_id));
      KILN_RETURN_IF_ERROR(EnterId(in.id(), builder_.AddMapping(mapping), owner, mappings_));
    }
    return absl::OkStatus();
  }

  Status DecodeFunctions() {
    for (int i = 0; i < m_.function_size(); ++i) {
      const pb::Function& in = m_.function(i);
      const std::string owner = fmt::format("function {}", i);
      profile::Function function{.name = StringIndex(0),
                                 .system_name = StringIndex(0),
                                 .filename = StringIndex(0),
                                 .start_line = in.start_line()};
      KILN_RETURN_IF_ERROR(Resolve(in.name(), owner, "name", function.name));
      KILN_RETURN_IF_ERROR(Resolve(in.system_name(), owner, "system name", function.system_name));
      KILN_RETURN_IF_ERROR(Resolve(in.filename(), owner, "filename", function.filename));
      if (function.name.value() == 0) function.name = function.system_name;
      if (function.name.value() == 0) function.name = builder_.String("[unknown]");
      if (function.system_name == function.name) function.system_name = StringIndex(0);
      KILN_RETURN_IF_ERROR(EnterId(in.id(), builder_.AddFunction(function), owner, functions_));
    }
    return absl::OkStatus();
  }

  Status DecodeLocations() {
    for (int i = 0; i < m_.location_size(); ++i) {
      const pb::Location& in = m_.location(i);
      const std::string owner = fmt::format("location {}", i);
      profile::Location location{
          .mapping = std::nullopt, .address = in.address(), .type = profile::FrameType::kUnknown, .lines = {}};
      StringIndex file(0);
      if (in.mapping_id() != 0) {
        const auto mapping = mappings_.find(in.mapping_id());
        if (mapping == mappings_.end()) return Invalid("{}: mapping id {} does not exist", owner, in.mapping_id());
        location.mapping = mapping->second;
        file = builder_.profile().mappings[mapping->second].filename;
      }
      for (const pb::Line& line : in.line()) {
        if (line.function_id() == 0) continue;
        const auto function = functions_.find(line.function_id());
        if (function == functions_.end())
          return Invalid("{}: function id {} does not exist", owner, line.function_id());
        location.lines.push_back({function->second, line.line(), line.column()});
      }
      std::string_view name;
      if (!location.lines.empty()) name = Text(builder_.profile().functions[location.lines[0].function].name);
      location.type = profile::FrameTypeFromConvention(Text(file), name);
      KILN_RETURN_IF_ERROR(EnterId(in.id(), builder_.AddLocation(std::move(location)), owner, locations_));
    }
    return absl::OkStatus();
  }

  Status DecodeSample(int i) {
    const pb::Sample& in = m_.sample(i);
    if (in.value_size() != m_.sample_type_size()) {
      return Invalid("sample {} has {} values instead of {}", i, in.value_size(), m_.sample_type_size());
    }
    std::vector<LocationIndex> stack;
    for (const uint64_t id : in.location_id()) {
      const auto location = locations_.find(id);
      if (location == locations_.end()) return Invalid("sample {}: location id {} does not exist", i, id);
      stack.push_back(location->second);
    }
    std::vector<AttributeIndex> resource;
    std::vector<AttributeIndex> attributes;
    std::optional<Link> link;
    for (const pb::Label& label : in.label()) KILN_RETURN_IF_ERROR(DecodeLabel(i, label, resource, attributes, link));
    const profile::SampleKey key{.stack = builder_.AddStack(std::move(stack)),
                                 .resource = builder_.AddAttributeSet(resource),
                                 .attributes = builder_.AddAttributeSet(attributes),
                                 .link = link ? std::optional(builder_.AddLink(*link)) : std::nullopt};
    builder_.AddSample(key, std::span(in.value().data(), types_.size()));
    return absl::OkStatus();
  }

  Status DecodeLabel(int sample, const pb::Label& label, std::vector<AttributeIndex>& resource,
                     std::vector<AttributeIndex>& attributes, std::optional<Link>& link) {
    profile::Attribute attribute{StringIndex(0), label.num(), StringIndex(0)};
    const auto annotate = [&](const Status& status) { return Annotate(status, fmt::format("sample {}", sample)); };
    KILN_RETURN_IF_ERROR(annotate(Resolve(label.key(), "label", "key", attribute.key)));
    if (label.str() == 0) {
      KILN_RETURN_IF_ERROR(annotate(Resolve(label.num_unit(), "label", "unit", attribute.unit)));
    } else {
      StringIndex text(0);
      KILN_RETURN_IF_ERROR(annotate(Resolve(label.str(), "label", "text", text)));
      if (TakeLink(Text(attribute.key), Text(text), link)) return absl::OkStatus();
      attribute.value = text;
    }
    auto& set = IsResourceKey(Text(attribute.key)) ? resource : attributes;
    set.push_back(builder_.AddAttribute(attribute));
    return absl::OkStatus();
  }

  // True if the label is one of a link's two ids, which then stands in `link`.
  static bool TakeLink(std::string_view key, std::string_view text, std::optional<Link>& link) {
    const auto trace_id = key == kTraceId ? ParseId<16>(text) : std::nullopt;
    const auto span_id = key == kSpanId ? ParseId<8>(text) : std::nullopt;
    if (!trace_id && !span_id) return false;
    if (!link) link = Link{};
    if (trace_id) link->trace_id = *trace_id;
    if (span_id) link->span_id = *span_id;
    return true;
  }

  Status AddField(int64_t reference, std::string_view key, std::vector<AttributeIndex>& properties) {
    StringIndex text(0);
    KILN_RETURN_IF_ERROR(Resolve(reference, "profile", key, text));
    if (text.value() != 0) properties.push_back(builder_.AddAttribute(key, Text(text)));
    return absl::OkStatus();
  }

  Status DecodeProperties() {
    std::vector<AttributeIndex> properties;
    absl::flat_hash_set<std::string> keys;
    absl::flat_hash_set<StringIndex> comments;  // each text once: many references to one long text must stay cheap
    std::string foreign;
    for (const int64_t reference : m_.comment()) {
      StringIndex index(0);
      KILN_RETURN_IF_ERROR(Resolve(reference, "profile", "comment", index));
      if (!comments.insert(index).second) continue;
      const std::string text = Text(index);
      const size_t equals = text.find('=');
      const std::string key = text.substr(0, equals);
      if (equals == std::string::npos || !IsPropertyKey(key) || !keys.insert(key).second) {
        if (!text.empty()) foreign += (foreign.empty() ? "" : "\n") + text;
        continue;
      }
      const std::string value = text.substr(equals + 1);
      const auto number = PlainInteger(value);
      properties.push_back(number ? builder_.AddAttribute(key, *number) : builder_.AddAttribute(key, value));
    }
    if (!foreign.empty()) properties.push_back(builder_.AddAttribute(kForeignComment, foreign));
    KILN_RETURN_IF_ERROR(AddField(m_.drop_frames(), kDropFrames, properties));
    KILN_RETURN_IF_ERROR(AddField(m_.keep_frames(), kKeepFrames, properties));
    KILN_RETURN_IF_ERROR(AddField(m_.doc_url(), kDocUrl, properties));
    StringIndex default_type(0);
    KILN_RETURN_IF_ERROR(Resolve(m_.default_sample_type(), "profile", "default sample type", default_type));
    if (!fold_cpu_time_ || Text(default_type) != "cpu") {
      KILN_RETURN_IF_ERROR(AddField(m_.default_sample_type(), kDefaultSampleType, properties));
    }
    builder_.SetProperties(builder_.AddAttributeSet(properties));
    return absl::OkStatus();
  }

  const pb::Profile& m_;
  ProfileBuilder builder_;
  std::vector<StringIndex> strings_;  // pprof's index -> ours
  std::vector<profile::ValueType> types_;
  bool fold_cpu_time_ = false;
  absl::flat_hash_map<uint64_t, MappingIndex> mappings_;  // pprof's ids -> our indices
  absl::flat_hash_map<uint64_t, FunctionIndex> functions_;
  absl::flat_hash_map<uint64_t, LocationIndex> locations_;
};

}  // namespace

StatusOr<profile::Profile> DecodePprof(std::string_view bytes) {
  std::string unpacked;
  if (IsGzip(bytes)) {
    KILN_ASSIGN_OR_RETURN(unpacked, GzipDecompress(bytes, kMaxPprofBytes));
    bytes = unpacked;
  }
  if (bytes.size() > kMaxPprofBytes) {
    return Error(absl::StatusCode::kResourceExhausted, "{} bytes are more than the limit of {}", bytes.size(),
                 kMaxPprofBytes);
  }
  google::protobuf::Arena arena;
  auto* message = google::protobuf::Arena::CreateMessage<pb::Profile>(&arena);
  const google::protobuf::LogSilencer errors_are_returned;
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Invalid("not a pprof file: the data is no protobuf message of this kind");
  }
  return Decoder(*message).Run();
}

}  // namespace kiln::pprof
