// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "pprof/labels.h"
#include "pprof/speedscope.h"
#include "profile/builder.h"

namespace kiln::pprof {
namespace {

using nlohmann::json;
using profile::AttributeIndex;
using profile::AttributeSetIndex;
using profile::LocationIndex;
using profile::ProfileBuilder;
using profile::StringIndex;

constexpr std::string_view kProfileName = "speedscope.profile.name";

template <typename... Args>
Status Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return Error(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

// The member, or a null value if `object` is no object or has none.
const json& Member(const json& object, const char* key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string_view Text(const json& value) {
  return value.is_string() ? std::string_view(value.get_ref<const std::string&>()) : std::string_view();
}

// A whole number given as a number or as text; 0 for anything else.
int64_t Whole(const json& value) {
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}) return 0;
  if (value.is_number_integer()) return value.get<int64_t>();
  const std::string_view text = Text(value);
  int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() ? out : 0;
}

// How many nanoseconds the unit has; 0 if it is no unit of time.
int64_t NanosecondsPer(std::string_view unit) {
  if (unit == "nanoseconds") return 1;
  if (unit == "microseconds") return 1'000;
  if (unit == "milliseconds") return 1'000'000;
  return unit == "seconds" ? 1'000'000'000 : 0;
}

class Decoder {
 public:
  explicit Decoder(const json& document) : document_(document) {}

  StatusOr<profile::Profile> Run() && {
    if (!document_.is_object()) return Invalid("not a speedscope file: the document is no JSON object");
    const json& frames = Member(Member(document_, "shared"), "frames");
    if (!frames.is_array()) return Invalid("not a speedscope file: shared.frames is missing");
    const json& profiles = Member(document_, "profiles");
    if (!profiles.is_array() || profiles.empty()) return Invalid("there is no profile");
    for (size_t i = 0; i < frames.size(); ++i) KILN_RETURN_IF_ERROR(DecodeFrame(frames[i], i));
    KILN_RETURN_IF_ERROR(DecodeTypes(Text(Member(profiles[0], "unit"))));
    for (size_t i = 0; i < profiles.size(); ++i) {
      if (Status status = DecodeProfile(profiles[i]); !status.ok())
        return Annotate(status, fmt::format("profile {}", i));
    }
    return std::move(builder_).Finish();
  }

 private:
  Status DecodeFrame(const json& frame, size_t i) {
    const json& name = Member(frame, "name");
    if (!name.is_string()) return Invalid("frame {} has no name", i);
    const std::string_view file = Text(Member(frame, "file"));
    const std::string_view module = Text(Member(frame, "module"));
    const StringIndex name_index = builder_.String(Text(name).empty() ? "[unknown]" : Text(name));
    const StringIndex none(0);
    const auto function = builder_.AddFunction({.name = name_index,
                                                .system_name = none,
                                                .filename = builder_.String(file == module ? "" : file),
                                                .start_line = std::max<int64_t>(Whole(Member(frame, "line")), 0)});
    profile::Location location{.mapping = std::nullopt,
                               .address = 0,
                               .type = profile::FrameTypeFromConvention(module, Text(name)),
                               .lines = {{function, 0, 0}}};
    if (!module.empty()) location.mapping = builder_.AddMapping({0, 0, 0, builder_.String(module), none});
    frames_.push_back(builder_.AddLocation(std::move(location)));
    return absl::OkStatus();
  }

  Status DecodeTypes(std::string_view unit) {
    unit_ = unit;
    const json& facts = Member(document_, "kiln");
    own_ = facts.is_object();
    if (own_) {
      const auto text = [&](const char* key) { return Text(Member(facts, key)); };
      const int64_t period = Whole(Member(facts, "period"));
      const bool cpu = text("sampleType") == "samples" && text("sampleUnit") == "count" &&
                       text("periodType") == "cpu" && text("periodUnit") == "nanoseconds" && period > 0;
      if (cpu && unit == "nanoseconds") divisor_ = period;
      builder_.SetSampleTypes({builder_.Type(text("sampleType"), text("sampleUnit"))});
      builder_.SetPeriod(builder_.Type(text("periodType"), text("periodUnit")), period);
      builder_.SetTime(Whole(Member(facts, "timeUnixNano")), Whole(Member(facts, "durationNano")));
      return absl::OkStatus();
    }
    if (const int64_t nanoseconds = NanosecondsPer(unit); nanoseconds != 0) {
      factor_ = nanoseconds;
      builder_.SetSampleTypes({builder_.Type("time", "nanoseconds")});
    } else if (unit == "bytes") {
      builder_.SetSampleTypes({builder_.Type("space", "bytes")});
    } else {
      builder_.SetSampleTypes({builder_.Type("samples", "count")});
    }
    return absl::OkStatus();
  }

  // Integers are taken exactly, others rounded; nullopt if the result does not fit.
  std::optional<int64_t> Value(const json& weight) const {
    if (weight.is_number_integer()) {
      if (weight.is_number_unsigned() && weight.get<uint64_t>() > uint64_t{INT64_MAX}) return std::nullopt;
      int64_t value = 0;
      if (__builtin_mul_overflow(weight.get<int64_t>(), factor_, &value)) return std::nullopt;
      return divisor_ == 1 ? value : value / divisor_;
    }
    if (!weight.is_number()) return std::nullopt;
    const double value =
        std::round(weight.get<double>() * static_cast<double>(factor_) / static_cast<double>(divisor_));
    if (!(std::abs(value) < 0x1p63)) return std::nullopt;
    return static_cast<int64_t>(value);
  }

  // The process behind a profile's name: "name (pid N)", or any name in kiln's own files.
  void NameProfile(std::string_view name) {
    static constexpr std::string_view kPid = " (pid ";
    std::vector<AttributeIndex> resource;
    std::vector<AttributeIndex> attributes;
    const size_t open = name.rfind(kPid);
    std::string_view digits = open == std::string_view::npos ? std::string_view() : name.substr(open + kPid.size());
    int64_t pid = 0;
    if (digits.ends_with(')')) digits.remove_suffix(1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    const bool has_pid = error == std::errc() && end == digits.data() + digits.size() && name.ends_with(')');
    if (has_pid) resource.push_back(builder_.AddAttribute(kProcessPid, pid));
    if (has_pid || (own_ && !name.empty())) {
      resource.push_back(builder_.AddAttribute(kProcessExecutableName, name.substr(0, has_pid ? open : name.size())));
    } else if (!name.empty()) {
      attributes.push_back(builder_.AddAttribute(kProfileName, name));
    }
    resource_ = builder_.AddAttributeSet(resource);
    attributes_ = builder_.AddAttributeSet(attributes);
  }

  Status DecodeProfile(const json& profile) {
    const std::string_view type = Text(Member(profile, "type"));
    if (type != "sampled") return Invalid("its type is \"{}\"; only \"sampled\" can be read", type);
    if (Text(Member(profile, "unit")) != unit_) {
      return Invalid("its unit is \"{}\", but the first profile's is \"{}\"", Text(Member(profile, "unit")), unit_);
    }
    const json& samples = Member(profile, "samples");
    const json& weights = Member(profile, "weights");
    if (!samples.is_array() || !weights.is_array() || samples.size() != weights.size()) {
      return Invalid("samples and weights are not two lists of one length");
    }
    NameProfile(Text(Member(profile, "name")));
    for (size_t i = 0; i < samples.size(); ++i) {
      if (Status status = DecodeSample(samples[i], weights[i]); !status.ok()) {
        return Annotate(status, fmt::format("sample {}", i));
      }
    }
    return absl::OkStatus();
  }

  Status DecodeSample(const json& sample, const json& weight) {
    if (!sample.is_array()) return Invalid("the stack is no list");
    std::vector<LocationIndex> stack;
    for (const json& frame : sample) {
      if (!frame.is_number_unsigned()) return Invalid("a frame is no number");
      const uint64_t index = frame.get<uint64_t>();
      if (index >= frames_.size()) return Invalid("frame {} is out of range ({})", index, frames_.size());
      stack.push_back(frames_[index]);
    }
    const auto value = Value(weight);
    if (!value) return Invalid("the weight is no number or too large");
    std::ranges::reverse(stack);
    builder_.AddSample({builder_.AddStack(std::move(stack)), resource_, attributes_, std::nullopt}, {{*value}});
    return absl::OkStatus();
  }

  const json& document_;
  ProfileBuilder builder_;
  std::vector<LocationIndex> frames_;
  std::string_view unit_;
  bool own_ = false;     // written by kiln
  int64_t factor_ = 1;   // nanoseconds per unit of a foreign file
  int64_t divisor_ = 1;  // nanoseconds per count of kiln's own
  AttributeSetIndex resource_{0};
  AttributeSetIndex attributes_{0};
};

}  // namespace

StatusOr<profile::Profile> DecodeSpeedscope(std::string_view text) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return Invalid("not a speedscope file: the data is no JSON");
  return Decoder(document).Run();
}

}  // namespace kiln::pprof
