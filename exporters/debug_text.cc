// SPDX-License-Identifier: Apache-2.0
#include "exporters/debug_text.h"

#include <absl/time/time.h>
#include <fmt/format.h>
#include <google/protobuf/arena.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <string_view>

#include "otlp/any_value.h"
#include "otlp/json.h"
#include "otlp/profiles.pb.h"
#include "otlp/wire.h"

namespace kiln::exporters {
namespace {

namespace pb = ::opentelemetry::proto::profiles::v1development;
namespace common_pb = ::opentelemetry::proto::common::v1;
using Verbosity = DebugSettings::Verbosity;
using Indices = google::protobuf::RepeatedField<int32_t>;

constexpr std::string_view kBad = "<bad index>";

// The entries of field 1, the resources of every request.
int64_t Resources(std::string_view bytes) {
  otlp::WireReader reader(bytes);
  otlp::WireField field;
  int64_t count = 0;
  while (!reader.AtEnd() && reader.Next(field)) count += field.number_of_field == 1 ? 1 : 0;
  return count;
}

std::string BasicLine(const pipeline::Batch& batch) {
  const int64_t resources = Resources(batch.bytes);
  switch (batch.signal) {
    case pipeline::Signal::kTraces:
      return fmt::format("Traces {{\"resource spans\": {}, \"spans\": {}}}", resources, batch.items);
    case pipeline::Signal::kMetrics:
      return fmt::format("Metrics {{\"resource metrics\": {}, \"data points\": {}}}", resources, batch.items);
    case pipeline::Signal::kLogs:
      return fmt::format("Logs {{\"resource logs\": {}, \"log records\": {}}}", resources, batch.items);
    case pipeline::Signal::kProfiles: break;
  }
  return fmt::format("Profiles {{\"resource profiles\": {}, \"sample records\": {}}}", resources, batch.items);
}

const otlp::schema::Message& RequestOf(pipeline::Signal signal) {
  if (signal == pipeline::Signal::kTraces) return otlp::schema::kExportTraceServiceRequest;
  if (signal == pipeline::Signal::kMetrics) return otlp::schema::kExportMetricsServiceRequest;
  return otlp::schema::kExportLogsServiceRequest;
}

std::string Hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, 32)) {
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

class ProfilesText {
 public:
  ProfilesText(const pb::ProfilesData& data, Verbosity verbosity, const DebugLimits& limits)
      : data_(data), d_(data.dictionary()), detailed_(verbosity == Verbosity::kDetailed), limits_(limits) {}

  std::string Run() && {
    int number = 0;
    for (const pb::ResourceProfiles& resource : data_.resource_profiles()) {
      if (Full()) break;
      Line(0, "ResourceProfiles #{}{}", number++, SchemaUrl(resource.schema_url()));
      KeyValues(resource.resource().attributes());
      int scope_number = 0;
      for (const pb::ScopeProfiles& scope : resource.scope_profiles()) Scope(scope, scope_number++);
    }
    if (Full()) {
      out_.resize(limits_.bytes);
      while (!out_.empty() && (static_cast<unsigned char>(out_.back()) & 0xc0) == 0x80) out_.pop_back();
      if (!out_.empty() && static_cast<unsigned char>(out_.back()) >= 0xc0) out_.pop_back();
      out_ += "\n(cut)";
    }
    return std::move(out_);
  }

 private:
  bool Full() const { return out_.size() > limits_.bytes; }

  template <typename... Args>
  void Line(int depth, fmt::format_string<Args...> format, Args&&... args) {
    out_ += '\n';
    out_.append(static_cast<size_t>(depth) * 2, ' ');
    const size_t begin = out_.size();
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    std::replace_if(
        out_.begin() + static_cast<ptrdiff_t>(begin), out_.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  }

  static std::string SchemaUrl(const std::string& url) { return url.empty() ? "" : fmt::format(" [{}]", url); }

  std::string_view Text(int64_t index) const {
    if (index < 0 || index >= d_.string_table_size()) return index == 0 ? "" : kBad;
    return d_.string_table(static_cast<int>(index));
  }

  std::string Value(const common_pb::AnyValue& value) {
    return otlp::AnyValueText(value, d_.string_table(), nested_budget_);
  }

  void KeyValues(const google::protobuf::RepeatedPtrField<common_pb::KeyValue>& attributes) {
    for (const common_pb::KeyValue& attribute : attributes) {
      if (!detailed_ || Full()) return;
      const std::string_view key = attribute.key_strindex() != 0 ? Text(attribute.key_strindex()) : attribute.key();
      Line(1, "-> {}: {}", key, Value(attribute.value()));
    }
  }

  std::string Attributes(const Indices& indices) {
    std::string out;
    for (const int32_t index : indices) {
      if (out.size() > limits_.bytes) break;
      if (index < 0 || index >= d_.attribute_table_size()) {
        fmt::format_to(std::back_inserter(out), " {}", kBad);
        continue;
      }
      const pb::KeyValueAndUnit& attribute = d_.attribute_table(index);
      fmt::format_to(std::back_inserter(out), " {}={}{}", Text(attribute.key_strindex()), Value(attribute.value()),
                     Text(attribute.unit_strindex()));
    }
    return out;
  }

  std::string Type(const pb::ValueType& type) const {
    return fmt::format("{}/{}", Text(type.type_strindex()), Text(type.unit_strindex()));
  }

  void Scope(const pb::ScopeProfiles& scope, int number) {
    if (Full()) return;
    Line(0, "ScopeProfiles #{} {}@{}{}", number, scope.scope().name(), scope.scope().version(),
         SchemaUrl(scope.schema_url()));
    KeyValues(scope.scope().attributes());
    for (const pb::Profile& profile : scope.profiles()) Profile(profile);
  }

  void Profile(const pb::Profile& profile) {
    if (Full()) return;
    std::string period;
    if (profile.period() != 0) period = fmt::format(", period {} {}", profile.period(), Type(profile.period_type()));
    Line(1, "Profile {} {}, {} samples{}", Hex(profile.profile_id()), Type(profile.sample_type()),
         profile.samples_size(), period);
    if (!detailed_) return;
    const absl::Time start =
        absl::FromUnixNanos(static_cast<int64_t>(std::min<uint64_t>(profile.time_unix_nano(), INT64_MAX)));
    const absl::Duration duration =
        absl::Nanoseconds(static_cast<int64_t>(std::min<uint64_t>(profile.duration_nano(), INT64_MAX)));
    Line(2, "from {} for {}", absl::FormatTime(absl::RFC3339_full, start, absl::UTCTimeZone()),
         absl::FormatDuration(duration));
    if (profile.attribute_indices_size() > 0) Line(2, "attributes:{}", Attributes(profile.attribute_indices()));
    for (int i = 0; i < profile.samples_size() && !Full(); ++i) {
      if (i == limits_.samples) {
        Line(2, "({} more samples)", profile.samples_size() - i);
        return;
      }
      Sample(profile.samples(i), i);
    }
  }

  void Sample(const pb::Sample& sample, int number) {
    std::string values;
    for (int i = 0; i < sample.values_size() && i < limits_.samples; ++i) {
      values += fmt::format(" {}", sample.values(i));
    }
    if (sample.values_size() > limits_.samples) values += " …";
    if (sample.timestamps_unix_nano_size() > 0)
      values += fmt::format(" at {} times", sample.timestamps_unix_nano_size());
    Line(2, "Sample #{}:{}{}{}", number, values, Attributes(sample.attribute_indices()), Link(sample.link_index()));
    if (sample.stack_index() < 0 || sample.stack_index() >= d_.stack_table_size()) {
      Line(3, "{}", kBad);
      return;
    }
    const Indices& stack = d_.stack_table(sample.stack_index()).location_indices();
    for (int i = 0; i < stack.size() && !Full(); ++i) {
      if (i == limits_.frames) {
        Line(3, "({} more frames)", stack.size() - i);
        return;
      }
      Location(stack[i]);
    }
  }

  std::string Link(int32_t index) const {
    if (index == 0) return "";
    if (index < 0 || index >= d_.link_table_size()) return fmt::format(" link {}", kBad);
    return fmt::format(" trace {} span {}", Hex(d_.link_table(index).trace_id()), Hex(d_.link_table(index).span_id()));
  }

  void Location(int32_t index) {
    if (index < 0 || index >= d_.location_table_size()) {
      Line(3, "{}", kBad);
      return;
    }
    const pb::Location& location = d_.location_table(index);
    std::string_view file;
    if (location.mapping_index() > 0 && location.mapping_index() < d_.mapping_table_size()) {
      file = Text(d_.mapping_table(location.mapping_index()).filename_strindex());
    }
    if (location.lines_size() == 0) Line(3, "0x{:x} {}", location.address(), file);
    for (const pb::Line& line : location.lines()) {
      if (Full()) return;
      if (line.function_index() < 0 || line.function_index() >= d_.function_table_size()) {
        Line(3, "{}", kBad);
        continue;
      }
      const pb::Function& function = d_.function_table(line.function_index());
      const std::string_view source = Text(function.filename_strindex());
      const std::string place = source.empty() ? std::string(file) : fmt::format("{}:{}", source, line.line());
      Line(3, "0x{:x} {} {}", location.address(), Text(function.name_strindex()), place);
    }
  }

  const pb::ProfilesData& data_;
  const pb::ProfilesDictionary& d_;
  const bool detailed_;
  const DebugLimits limits_;
  size_t nested_budget_ = size_t{1} << 20;
  std::string out_;
};

}  // namespace

std::string DebugText(const pipeline::Batch& batch, Verbosity verbosity, const DebugLimits& limits) {
  std::string text = BasicLine(batch);
  if (verbosity == Verbosity::kBasic) return text;
  if (batch.signal != pipeline::Signal::kProfiles) {
    text += '\n';
    const Status status = otlp::AppendJson(RequestOf(batch.signal), batch.bytes, limits.bytes, text);
    if (!status.ok()) text += fmt::format("({})", Message(status));
    return text;
  }
  google::protobuf::Arena arena;
  auto* data = google::protobuf::Arena::CreateMessage<pb::ProfilesData>(&arena);
  const google::protobuf::LogSilencer errors_are_told;
  if (!data->ParseFromString(batch.bytes)) return text + "\n(the batch is no protobuf message of this kind)";
  return text + ProfilesText(*data, verbosity, limits).Run();
}

}  // namespace kiln::exporters
