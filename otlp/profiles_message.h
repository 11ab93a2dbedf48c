// SPDX-License-Identifier: Apache-2.0
// The parts of an OTLP profiles message that both writers (profiles.h, profiles_requests.h) make alike.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "otlp/dictionary.h"
#include "otlp/profiles.h"
#include "profile/profile.h"

namespace kiln::otlp {

using TextAttributes = std::vector<std::pair<std::string, std::string>>;

// The samples of one resource, in their order.
struct ResourceSamples {
  profile::AttributeSetIndex resource;
  std::vector<const profile::Sample*> samples;
};

// All samples by resource, in the order in which the resources first appear.
std::vector<ResourceSamples> GroupByResource(const profile::Profile& profile);

// True if the sample stands in the Profile of sample type `type`: its value is not 0, or all are and this is the first.
bool HasType(const profile::Profile& profile, const profile::Sample& sample, size_t type);

// Schema URL and attributes, with literal keys and texts.
void SetResource(const profile::Profile& profile, profile::AttributeSetIndex resource, pb::ResourceProfiles& out);

// Schema URL, kiln's name and version, and `attributes`.
void SetScope(const TextAttributes& attributes, pb::ScopeProfiles& out);

// Everything of the Profile of sample type `type` but its samples and attributes.
void SetHead(const profile::Profile& profile, size_t type, const ProfileId& id, DictionaryBuilder& dictionary,
             pb::Profile& out);

// The properties of the profile as attributes of `out`.
void SetProperties(const profile::Profile& profile, DictionaryBuilder& dictionary, pb::Profile& out);

void SetSample(const profile::Profile& profile, const profile::Sample& sample, int64_t value,
               DictionaryBuilder& dictionary, pb::Sample& out);

}  // namespace kiln::otlp
