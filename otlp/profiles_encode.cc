// SPDX-License-Identifier: Apache-2.0
// Each ResourceProfiles is serialized on its own, then the dictionary that they filled: concatenated they are one
// ProfilesData, and libprotobuf's limit of 2 GiB holds for one process instead of the whole host.
#include <absl/container/flat_hash_map.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>

#include "otlp/dictionary.h"
#include "otlp/profiles.h"
#include "otlp/semconv.h"

namespace kiln::otlp {
namespace {

using profile::Profile;

class Encoder {
 public:
  Encoder(const Profile& profile, const EncodeOptions& options)
      : p_(profile), options_(options), dictionary_(profile) {}

  std::string Run() {
    absl::flat_hash_map<profile::AttributeSetIndex, size_t> groups;
    for (const profile::Sample& sample : p_.samples) {
      const auto [entry, added] = groups.try_emplace(sample.key.resource, resources_.size());
      if (added) resources_.push_back({sample.key.resource, {}});
      resources_[entry->second].samples.push_back(&sample);
    }
    if (resources_.empty()) resources_.push_back({profile::AttributeSetIndex(0), {}});
    std::string out;
    for (const Resource& resource : resources_) {
      pb::ProfilesData message;
      EncodeResource(resource, *message.add_resource_profiles());
      message.AppendToString(&out);
    }
    pb::ProfilesData message;
    *message.mutable_dictionary() = dictionary_.dictionary();
    message.AppendToString(&out);
    return out;
  }

 private:
  struct Resource {
    profile::AttributeSetIndex attributes;
    std::vector<const profile::Sample*> samples;
  };

  void EncodeResource(const Resource& resource, pb::ResourceProfiles& out) {
    out.set_schema_url(std::string(kSchemaUrl));
    auto& attributes = *out.mutable_resource();
    for (const profile::AttributeIndex index : p_.attribute_sets[resource.attributes].attributes) {
      const profile::Attribute& attribute = p_.attributes[index];
      common_pb::KeyValue& to = *attributes.add_attributes();
      to.set_key(p_.strings[attribute.key]);
      SetValue(p_, attribute.value, *to.mutable_value());
    }
    pb::ScopeProfiles& scope = *out.add_scope_profiles();
    scope.set_schema_url(std::string(kSchemaUrl));
    scope.mutable_scope()->set_name("kiln");
    scope.mutable_scope()->set_version(KILN_VERSION);
    for (size_t type = 0; type < p_.sample_types.size(); ++type) EncodeType(type, resource, scope);
  }

  // The Profile of one sample type. The first resource has one for each type, so that types without samples survive.
  void EncodeType(size_t type, const Resource& resource, pb::ScopeProfiles& scope) {
    const bool first_resource = &resource == &resources_.front();
    const auto belongs = [&](const profile::Sample* sample) {
      if (sample->values[type] != 0 || p_.sample_types.size() == 1) return true;
      return type == 0 && std::ranges::all_of(sample->values, [](int64_t value) { return value == 0; });
    };
    if (!first_resource && !std::ranges::any_of(resource.samples, belongs)) return;
    pb::Profile& out = *scope.add_profiles();
    SetType(p_.sample_types[type], *out.mutable_sample_type());
    if (p_.period != 0 || p_.period_type.type.value() != 0 || p_.period_type.unit.value() != 0) {
      SetType(p_.period_type, *out.mutable_period_type());
      out.set_period(p_.period);
    }
    out.set_time_unix_nano(static_cast<uint64_t>(std::max<int64_t>(p_.time_unix_nano, 0)));
    out.set_duration_nano(static_cast<uint64_t>(std::max<int64_t>(p_.duration_nano, 0)));
    const ProfileId id = options_.new_profile_id();
    out.set_profile_id(id.data(), id.size());
    if (first_resource && type == 0) {
      for (const profile::AttributeIndex index : p_.attribute_sets[p_.properties].attributes) {
        out.add_attribute_indices(dictionary_.Attribute(index));
      }
    }
    for (const profile::Sample* sample : resource.samples) {
      if (belongs(sample)) EncodeSample(*sample, sample->values[type], *out.add_samples());
    }
  }

  void SetType(const profile::ValueType& type, pb::ValueType& out) {
    out.set_type_strindex(dictionary_.Text(type.type));
    out.set_unit_strindex(dictionary_.Text(type.unit));
  }

  void EncodeSample(const profile::Sample& sample, int64_t value, pb::Sample& out) {
    out.set_stack_index(dictionary_.Stack(sample.key.stack));
    for (const profile::AttributeIndex index : p_.attribute_sets[sample.key.attributes].attributes) {
      out.add_attribute_indices(dictionary_.Attribute(index));
    }
    if (sample.key.link) out.set_link_index(dictionary_.Link(*sample.key.link));
    out.add_values(value);
  }

  const Profile& p_;
  const EncodeOptions& options_;
  DictionaryBuilder dictionary_;
  std::vector<Resource> resources_;
};

}  // namespace

ProfileId RandomProfileId() {
  ProfileId id;
  if (getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) std::abort();  // can't fail for 16 bytes
  return id;
}

std::string EncodeProfilesData(const Profile& profile, const EncodeOptions& options) {
  return Encoder(profile, options).Run();
}

}  // namespace kiln::otlp
