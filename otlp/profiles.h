// SPDX-License-Identifier: Apache-2.0
// OTLP profiles (ProfilesData, the layout of OTLP 1.10 and 1.11). The same bytes are a valid
// ExportProfilesServiceRequest.
//
// What the writer makes of a Profile:
//   dictionary      only what is referred to, each entry once, the zero value first
//   resource        one ResourceProfiles per distinct resource, attributes as literal key and value (readers exist that
//   do
//                   not resolve references there); scope "kiln" with kiln's version
//   sample types    one OTLP Profile per type; a sample stands in those for which its value is not 0 (in the first one
//   if
//                   all are 0). Each sample has one aggregated value and no timestamps
//   properties      attributes of the very first OTLP Profile only, since they belong to the recording as a whole:
//                   repeated on each they would be counted once per process
//   frame type      Location attribute profile.frame.type (not for kUnknown)
//   build id        Mapping attribute process.executable.build_id.gnu
//   memory_limit    2^64-1 if the profile does not know it but has a start (a limit must lie above the start)
//   link            an all-zero Link is none; so is a mapping without any content
// Lost in writing: units of resource attributes; negative lines, columns, times and durations, which OTLP does not
// have, become 0.
//
// The reader takes any sender's data: every sample shape (a timestamp without a value counts 1, the values of one
// sample are added), references instead of literal text, several resources, scopes and profiles. Profiles of equal
// sample type are merged, others become further sample types. Lost in reading: scope, schema URLs, profile ids,
// timestamps of single samples, dropped counts, original payloads, attributes of mappings and locations but the two
// above, lines without a function, units of resource attributes, entity references. Arrays, maps and bytes as attribute
// values become text (JSON, hex). Of several Profiles' attributes with one key the first stands. A function without any
// name is called
// "[unknown]".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "profile/profile.h"

namespace kiln::otlp {

using ProfileId = std::array<uint8_t, 16>;

// 16 random bytes.
ProfileId RandomProfileId();

struct EncodeOptions {
  // Called once per OTLP Profile; must return a value that was never used. Tests give a deterministic one.
  std::function<ProfileId()> new_profile_id = RandomProfileId;
};

// What DecodeProfilesData takes at most.
inline constexpr size_t kMaxProfilesBytes = size_t{1} << 30;
// How many sample types one file may have; each sample takes room for all of them.
inline constexpr size_t kMaxSampleTypes = 16;

// `profile` (valid, see profile/validate.h) as ProfilesData. Without samples there is one ResourceProfiles that carries
// types, time and properties. Equal profiles and options give equal bytes.
std::string EncodeProfilesData(const profile::Profile& profile, const EncodeOptions& options = {});

// Reads ProfilesData. The result is valid. kInvalidArgument names what is wrong ("resource 0, scope 0, profile 1,
// sample 7: stack index 99 is out of range (12)"); kResourceExhausted if a limit above is exceeded.
StatusOr<profile::Profile> DecodeProfilesData(std::string_view bytes);

}  // namespace kiln::otlp
