// SPDX-License-Identifier: Apache-2.0
#include "pprof/labels.h"

#include <fmt/format.h>

namespace kiln::pprof {

using profile::AttributeIndex;
using profile::AttributeSetIndex;
using profile::AttributeValue;
using profile::Location;
using profile::Profile;
using profile::StringIndex;

const AttributeValue* FindAttribute(const Profile& profile, AttributeSetIndex set, std::string_view key) {
  for (const AttributeIndex index : profile.attribute_sets[set].attributes) {
    const profile::Attribute& attribute = profile.attributes[index];
    if (profile.strings[attribute.key] == key) return &attribute.value;
  }
  return nullptr;
}

std::string ValueText(const Profile& profile, const AttributeValue& value) {
  if (const auto* text = std::get_if<StringIndex>(&value)) return profile.strings[*text];
  if (const auto* number = std::get_if<int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  return std::get<bool>(value) ? "true" : "false";
}

std::string ProcessName(const Profile& profile, AttributeSetIndex resource) {
  for (const std::string_view key : {kProcessExecutableName, kServiceName}) {
    if (const AttributeValue* value = FindAttribute(profile, resource, key)) {
      if (std::string text = ValueText(profile, *value); !text.empty()) return text;
    }
  }
  if (const AttributeValue* pid = FindAttribute(profile, resource, kProcessPid)) {
    return "process " + ValueText(profile, *pid);
  }
  return "";
}

bool IsCpuSampleCount(const Profile& profile) {
  const auto is = [&](const profile::ValueType& value, std::string_view type, std::string_view unit) {
    return profile.strings[value.type] == type && profile.strings[value.unit] == unit;
  };
  return profile.sample_types.size() == 1 && profile.period > 0 && is(profile.sample_types[0], "samples", "count") &&
         is(profile.period_type, "cpu", "nanoseconds");
}

std::string BareFrameName(const Profile& profile, const Location& location) {
  std::string_view file;
  if (location.mapping) file = profile.strings[profile.mappings[*location.mapping].filename];
  if (file.starts_with('[') && file.ends_with(']')) file = file.substr(1, file.size() - 2);
  if (const size_t slash = file.rfind('/'); slash != std::string_view::npos) file.remove_prefix(slash + 1);
  if (!file.empty()) return fmt::format("[{}+0x{:x}]", file, location.address);
  return location.address == 0 ? "[unknown]" : fmt::format("[0x{:x}]", location.address);
}

}  // namespace kiln::pprof
