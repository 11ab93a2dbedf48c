// SPDX-License-Identifier: Apache-2.0
#include "otlp/profiles_message.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>

#include "otlp/semconv.h"

namespace kiln::otlp {
namespace {

using profile::Profile;

void SetType(const profile::ValueType& type, DictionaryBuilder& dictionary, pb::ValueType& out) {
  out.set_type_strindex(dictionary.Text(type.type));
  out.set_unit_strindex(dictionary.Text(type.unit));
}

}  // namespace

std::vector<ResourceSamples> GroupByResource(const Profile& profile) {
  std::vector<ResourceSamples> out;
  absl::flat_hash_map<profile::AttributeSetIndex, size_t> groups;
  for (const profile::Sample& sample : profile.samples) {
    const auto [entry, added] = groups.try_emplace(sample.key.resource, out.size());
    if (added) out.push_back({sample.key.resource, {}});
    out[entry->second].samples.push_back(&sample);
  }
  return out;
}

bool HasType(const Profile& profile, const profile::Sample& sample, size_t type) {
  if (sample.values[type] != 0 || profile.sample_types.size() == 1) return true;
  return type == 0 && std::ranges::all_of(sample.values, [](int64_t value) { return value == 0; });
}

void SetResource(const Profile& profile, profile::AttributeSetIndex resource, pb::ResourceProfiles& out) {
  out.set_schema_url(std::string(kSchemaUrl));
  auto& attributes = *out.mutable_resource();
  for (const profile::AttributeIndex index : profile.attribute_sets[resource].attributes) {
    const profile::Attribute& attribute = profile.attributes[index];
    common_pb::KeyValue& to = *attributes.add_attributes();
    to.set_key(profile.strings[attribute.key]);
    SetValue(profile, attribute.value, *to.mutable_value());
  }
}

void SetScope(const TextAttributes& attributes, pb::ScopeProfiles& out) {
  out.set_schema_url(std::string(kSchemaUrl));
  auto& scope = *out.mutable_scope();
  scope.set_name("kiln");
  scope.set_version(KILN_VERSION);
  for (const auto& [key, value] : attributes) {
    common_pb::KeyValue& to = *scope.add_attributes();
    to.set_key(key);
    to.mutable_value()->set_string_value(value);
  }
}

void SetHead(const Profile& profile, size_t type, const ProfileId& id, DictionaryBuilder& dictionary,
             pb::Profile& out) {
  SetType(profile.sample_types[type], dictionary, *out.mutable_sample_type());
  if (profile.period != 0 || profile.period_type.type.value() != 0 || profile.period_type.unit.value() != 0) {
    SetType(profile.period_type, dictionary, *out.mutable_period_type());
    out.set_period(profile.period);
  }
  out.set_time_unix_nano(static_cast<uint64_t>(std::max<int64_t>(profile.time_unix_nano, 0)));
  out.set_duration_nano(static_cast<uint64_t>(std::max<int64_t>(profile.duration_nano, 0)));
  out.set_profile_id(id.data(), id.size());
}

void SetProperties(const Profile& profile, DictionaryBuilder& dictionary, pb::Profile& out) {
  for (const profile::AttributeIndex index : profile.attribute_sets[profile.properties].attributes) {
    out.add_attribute_indices(dictionary.Attribute(index));
  }
}

void SetSample(const Profile& profile, const profile::Sample& sample, int64_t value, DictionaryBuilder& dictionary,
               pb::Sample& out) {
  out.set_stack_index(dictionary.Stack(sample.key.stack));
  for (const profile::AttributeIndex index : profile.attribute_sets[sample.key.attributes].attributes) {
    out.add_attribute_indices(dictionary.Attribute(index));
  }
  if (sample.key.link) out.set_link_index(dictionary.Link(*sample.key.link));
  out.add_values(value);
}

}  // namespace kiln::otlp
