// SPDX-License-Identifier: Apache-2.0
// Each ResourceProfiles is serialized on its own, then the dictionary that they filled: concatenated they are one
// ProfilesData, and libprotobuf's limit of 2 GiB holds for one process instead of the whole host.
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>

#include "otlp/profiles.h"
#include "otlp/profiles_message.h"

namespace kiln::otlp {
namespace {

using profile::Profile;

class Encoder {
 public:
  Encoder(const Profile& profile, const EncodeOptions& options)
      : p_(profile), options_(options), dictionary_(profile) {}

  std::string Run() {
    std::vector<ResourceSamples> resources = GroupByResource(p_);
    if (resources.empty()) resources.push_back({profile::AttributeSetIndex(0), {}});
    std::string out;
    for (const ResourceSamples& resource : resources) {
      pb::ProfilesData message;
      EncodeResource(resource, &resource == &resources.front(), *message.add_resource_profiles());
      message.AppendToString(&out);
    }
    pb::ProfilesData message;
    *message.mutable_dictionary() = dictionary_.dictionary();
    message.AppendToString(&out);
    return out;
  }

 private:
  void EncodeResource(const ResourceSamples& resource, bool first, pb::ResourceProfiles& out) {
    SetResource(p_, resource.resource, out);
    pb::ScopeProfiles& scope = *out.add_scope_profiles();
    SetScope({}, scope);
    for (size_t type = 0; type < p_.sample_types.size(); ++type) EncodeType(type, resource, first, scope);
  }

  // The Profile of one sample type. The first resource has one for each type, so that types without samples survive.
  void EncodeType(size_t type, const ResourceSamples& resource, bool first, pb::ScopeProfiles& scope) {
    const auto belongs = [&](const profile::Sample* sample) { return HasType(p_, *sample, type); };
    if (!first && !std::ranges::any_of(resource.samples, belongs)) return;
    pb::Profile& out = *scope.add_profiles();
    SetHead(p_, type, options_.new_profile_id(), dictionary_, out);
    if (first && type == 0) SetProperties(p_, dictionary_, out);
    for (const profile::Sample* sample : resource.samples) {
      if (belongs(sample)) SetSample(p_, *sample, sample->values[type], dictionary_, *out.add_samples());
    }
  }

  const Profile& p_;
  const EncodeOptions& options_;
  DictionaryBuilder dictionary_;
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
