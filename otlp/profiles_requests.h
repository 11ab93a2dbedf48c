// SPDX-License-Identifier: Apache-2.0
// A profile as OTLP requests of bounded size, for the network: what a message is allowed to weigh, and how many samples
// a profile may have, is up to the receiver (gRPC servers take 4 MiB, Pyroscope 16 000 samples per profile).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "otlp/profiles.h"
#include "profile/profile.h"

namespace kiln::otlp {

struct RequestOptions {
  size_t max_bytes = std::numeric_limits<size_t>::max();  // of one request, before compression
  int64_t max_samples =
      std::numeric_limits<int64_t>::max();  // OTLP Samples of one request, and so of each Profile in it
  std::vector<std::pair<std::string, std::string>> scope_attributes;  // beside kiln's name and version; keys are unique
  // Called once per OTLP Profile, and for some that are not used in the end; must return a value that was never used.
  std::function<ProfileId()> new_profile_id = RandomProfileId;
};

struct EncodedRequest {
  std::string bytes;   // an ExportProfilesServiceRequest (equally a ProfilesData)
  int64_t items = 0;   // OTLP Samples
  int64_t weight = 0;  // the sum of their values of samples/count, each sample once; `items` if there is no such type
};

// `profile` (valid, see profile/validate.h) as requests that say together what EncodeProfilesData says (see there for
// how), but for sample types without any sample; no samples, no request. Each request has a dictionary of its own that
// holds only what it refers to, and keeps both limits unless it consists of a single sample that breaks them alone
// (with several sample types a sample is several OTLP Samples, which stay together). A resource that fits into one
// request is not torn apart. The properties stand in the first request. Equal arguments give equal bytes.
//
// Takes time linear in the profile: each resource is encoded at most twice.
std::vector<EncodedRequest> EncodeProfilesRequests(const profile::Profile& profile, const RequestOptions& options = {});

}  // namespace kiln::otlp
