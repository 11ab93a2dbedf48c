// SPDX-License-Identifier: Apache-2.0
// Writes pprof. Protobuf messages may be cut between fields and concatenated again, so samples are encoded in portions:
// the memory that the encoder needs beside the output does not grow with the number of samples, and libprotobuf's limit
// of 2 GiB for one message does not apply.
#include <absl/container/flat_hash_map.h>
#include <google/protobuf/arena.h>

#include <algorithm>
#include <deque>
#include <numeric>

#include "base/gzip.h"
#include "pprof/labels.h"
#include "pprof/pprof.h"
#include "pprof/pprof.pb.h"

namespace kiln::pprof {
namespace {

namespace pb = ::perftools::profiles;
using profile::AttributeIndex;
using profile::LocationIndex;
using profile::MappingIndex;
using profile::Profile;
using profile::StringIndex;

constexpr int kSamplesPerPortion = 4096;

template <size_t kSize>
std::string Hex(const std::array<uint8_t, kSize>& bytes) {
  std::string out;
  for (const uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

// True if the second value count * period fits for every sample.
bool AllFitTimesPeriod(const Profile& profile) {
  return std::ranges::all_of(profile.samples, [&](const profile::Sample& sample) {
    int64_t product = 0;
    return !__builtin_mul_overflow(sample.values[0], profile.period, &product);
  });
}

class Encoder {
 public:
  explicit Encoder(const Profile& profile)
      : p_(profile), add_cpu_time_(IsCpuSampleCount(profile) && AllFitTimesPeriod(profile)) {
    // The strings of the profile keep their indices; what only pprof needs comes after them.
    for (uint32_t i = 0; i < p_.strings.size(); ++i) string_refs_.try_emplace(p_.strings[StringIndex(i)], i);
  }

  std::string Run() {
    OrderMappings();
    EncodeTypes();
    EncodeMappings();
    EncodeLocations();
    EncodeFunctions();
    EncodeProperties();
    Flush();
    for (const profile::Sample& sample : p_.samples) {
      EncodeSample(sample);
      if (message_.sample_size() == kSamplesPerPortion) Flush();
    }
    for (const std::string& text : p_.strings) message_.add_string_table(text);
    for (std::string& text : new_strings_) message_.add_string_table(std::move(text));
    Flush();
    return GzipCompress(out_);
  }

 private:
  static int64_t Ref(StringIndex index) { return index.value(); }
  int64_t Ref(std::string_view text) {
    if (const auto found = string_refs_.find(text); found != string_refs_.end()) return found->second;
    const int64_t ref = AppendString(text);
    string_refs_.emplace(new_strings_.back(), ref);
    return ref;
  }
  int64_t AppendString(std::string_view text) {
    new_strings_.emplace_back(text);
    return static_cast<int64_t>(p_.strings.size() + new_strings_.size() - 1);
  }
  // A label whose str is 0 is a number, so that an empty text needs an entry of its own.
  int64_t LabelText(std::string_view text) {
    if (!text.empty()) return Ref(text);
    if (empty_text_ == 0) empty_text_ = AppendString("");
    return empty_text_;
  }

  void Flush() {
    message_.AppendToString(&out_);
    message_.Clear();
  }

  // Decides the ids: the main executable first, the others in their order.
  void OrderMappings() {
    mapping_ids_.resize(p_.mappings.size());
    std::iota(mapping_ids_.begin(), mapping_ids_.end(), 1);
    const size_t main = MainMapping();
    for (size_t i = 0; i < main; ++i) ++mapping_ids_[i];
    if (main < mapping_ids_.size()) mapping_ids_[main] = 1;
  }

  size_t MainMapping() const {
    absl::flat_hash_map<profile::AttributeSetIndex, double> totals;
    for (const profile::Sample& sample : p_.samples) {
      totals[sample.key.resource] += static_cast<double>(sample.values.back());
    }
    const auto largest = std::ranges::max_element(totals, [](const auto& a, const auto& b) {
      return std::pair(a.second, b.first) < std::pair(b.second, a.first);
    });
    if (largest == totals.end()) return 0;
    const std::string name = ProcessName(p_, largest->first);
    size_t i = 0;
    for (const profile::Mapping& mapping : p_.mappings) {
      const std::string_view file = p_.strings[mapping.filename];
      if (!name.empty() && file.starts_with('/') && file.substr(file.rfind('/') + 1) == name) return i;
      ++i;
    }
    return 0;
  }

  void SetType(int64_t type, int64_t unit, pb::ValueType& out) {
    out.set_type(type);
    out.set_unit(unit);
  }

  void EncodeTypes() {
    for (const profile::ValueType& type : p_.sample_types) {
      SetType(Ref(type.type), Ref(type.unit), *message_.add_sample_type());
    }
    if (add_cpu_time_) {
      SetType(Ref("cpu"), Ref("nanoseconds"), *message_.add_sample_type());
      message_.set_default_sample_type(Ref("cpu"));
    }
    SetType(Ref(p_.period_type.type), Ref(p_.period_type.unit), *message_.mutable_period_type());
    message_.set_period(p_.period);
    message_.set_time_nanos(p_.time_unix_nano);
    message_.set_duration_nanos(p_.duration_nano);
  }

  // The has_… flags say that a reader need not look the names up again: they hold for all locations of the mapping.
  void EncodeMappings() {
    std::vector<pb::Mapping*> by_id(p_.mappings.size());
    for (pb::Mapping*& mapping : by_id) mapping = message_.add_mapping();
    for (uint32_t i = 0; i < p_.mappings.size(); ++i) {
      const profile::Mapping& mapping = p_.mappings[MappingIndex(i)];
      pb::Mapping& out = *by_id[mapping_ids_[i] - 1];
      out.set_id(mapping_ids_[i]);
      out.set_memory_start(mapping.memory_start);
      out.set_memory_limit(mapping.memory_limit);
      out.set_file_offset(mapping.file_offset);
      out.set_filename(Ref(mapping.filename));
      out.set_build_id(Ref(mapping.build_id));
    }
    std::vector<bool> seen(p_.mappings.size());
    for (const profile::Location& location : p_.locations) {
      if (!location.mapping) continue;
      const size_t i = location.mapping->value();
      pb::Mapping& out = *by_id[mapping_ids_[i] - 1];
      const bool first = !seen[i];
      seen[i] = true;
      const bool files = std::ranges::all_of(
          location.lines, [&](const profile::Line& line) { return p_.functions[line.function].filename.value() != 0; });
      const bool numbers =
          std::ranges::all_of(location.lines, [](const profile::Line& line) { return line.line != 0; });
      const bool named = !location.lines.empty();
      out.set_has_functions((first || out.has_functions()) && named);
      out.set_has_filenames((first || out.has_filenames()) && named && files);
      out.set_has_line_numbers((first || out.has_line_numbers()) && named && numbers);
      out.set_has_inline_frames(out.has_inline_frames() || location.lines.size() > 1);
    }
  }

  void EncodeLocations() {
    uint64_t id = 0;
    for (const profile::Location& location : p_.locations) {
      pb::Location& out = *message_.add_location();
      out.set_id(++id);
      if (location.mapping) out.set_mapping_id(mapping_ids_[location.mapping->value()]);
      out.set_address(location.address);
      for (const profile::Line& line : location.lines) {
        pb::Line& to = *out.add_line();
        to.set_function_id(uint64_t{line.function.value()} + 1);
        to.set_line(line.line);
        to.set_column(line.column);
      }
    }
  }

  void EncodeFunctions() {
    uint64_t id = 0;
    for (const profile::Function& function : p_.functions) {
      pb::Function& out = *message_.add_function();
      out.set_id(++id);
      out.set_name(Ref(function.name));
      out.set_system_name(Ref(function.system_name.value() != 0 ? function.system_name : function.name));
      out.set_filename(Ref(function.filename));
      out.set_start_line(function.start_line);
    }
  }

  void EncodeProperties() {
    std::string foreign;
    for (const AttributeIndex index : p_.attribute_sets[p_.properties].attributes) {
      const profile::Attribute& attribute = p_.attributes[index];
      const std::string& key = p_.strings[attribute.key];
      const std::string text = ValueText(p_, attribute.value);
      if (key == kDropFrames) {
        message_.set_drop_frames(Ref(text));
      } else if (key == kKeepFrames) {
        message_.set_keep_frames(Ref(text));
      } else if (key == kDocUrl) {
        message_.set_doc_url(Ref(text));
      } else if (key == kDefaultSampleType) {
        message_.set_default_sample_type(Ref(text));
      } else if (key == kForeignComment) {
        foreign = text;
      } else {
        message_.add_comment(Ref(key + "=" + text));
      }
    }
    // Last: a text whose key came before is foreign for that reason and must stay so. And in one piece: a line of it
    // may look like a property.
    if (!foreign.empty()) message_.add_comment(Ref(foreign));
  }

  void EncodeLabels(profile::AttributeSetIndex set, pb::Sample& out) {
    for (const AttributeIndex index : p_.attribute_sets[set].attributes) {
      const profile::Attribute& attribute = p_.attributes[index];
      pb::Label& label = *out.add_label();
      label.set_key(Ref(attribute.key));
      if (const auto* number = std::get_if<int64_t>(&attribute.value)) {
        label.set_num(*number);
        label.set_num_unit(Ref(attribute.unit));
      } else if (const auto* text = std::get_if<StringIndex>(&attribute.value); text && text->value() != 0) {
        label.set_str(Ref(*text));
      } else {
        label.set_str(LabelText(ValueText(p_, attribute.value)));
      }
    }
  }

  template <size_t kSize>
  void EncodeId(std::string_view key, const std::array<uint8_t, kSize>& id, pb::Sample& out) {
    if (id == std::array<uint8_t, kSize>{}) return;
    pb::Label& label = *out.add_label();
    label.set_key(Ref(key));
    label.set_str(Ref(Hex(id)));
  }

  void EncodeSample(const profile::Sample& sample) {
    pb::Sample& out = *message_.add_sample();
    for (const LocationIndex location : p_.stacks[sample.key.stack].locations) {
      out.add_location_id(uint64_t{location.value()} + 1);
    }
    for (const int64_t value : sample.values) out.add_value(value);
    if (add_cpu_time_) out.add_value(sample.values[0] * p_.period);
    EncodeLabels(sample.key.resource, out);
    EncodeLabels(sample.key.attributes, out);
    if (sample.key.link) {
      EncodeId(kTraceId, p_.links[*sample.key.link].trace_id, out);
      EncodeId(kSpanId, p_.links[*sample.key.link].span_id, out);
    }
  }

  const Profile& p_;
  const bool add_cpu_time_;
  absl::flat_hash_map<std::string_view, int64_t> string_refs_;  // of p_.strings and new_strings_
  std::deque<std::string> new_strings_;                         // a deque, since string_refs_ points into it
  int64_t empty_text_ = 0;
  std::vector<uint64_t> mapping_ids_;
  google::protobuf::Arena arena_;  // saves taking thousands of messages apart
  pb::Profile& message_ = *google::protobuf::Arena::CreateMessage<pb::Profile>(&arena_);
  std::string out_;
};

}  // namespace

std::string EncodePprof(const Profile& profile) { return Encoder(profile).Run(); }

}  // namespace kiln::pprof
