// SPDX-License-Identifier: Apache-2.0
#include "agent/top/interval.h"

#include <algorithm>

#include "agent/cli/hot_functions.h"

namespace kiln::agent {

using profile::FrameType;
using profile::LocationIndex;
using profile::Profile;

TopTotals TotalsOf(const Profile& profile) {
  TopTotals totals;
  for (const profile::Sample& sample : profile.samples) {
    const int64_t value = sample.values.at(0);
    totals.samples = SaturatingAdd(totals.samples, value);
    const auto& locations = profile.stacks[sample.key.stack].locations;
    const bool is_cut = std::ranges::any_of(
        locations, [&](LocationIndex location) { return profile.locations[location].type == FrameType::kTruncated; });
    if (!is_cut) totals.complete = SaturatingAdd(totals.complete, value);
  }
  return totals;
}

double BusyCpus(const Profile& profile, int64_t samples) {
  if (profile.duration_nano <= 0) return 0;
  return static_cast<double>(samples) * static_cast<double>(profile.period) /
         static_cast<double>(profile.duration_nano);
}

absl::Time EndOf(const Profile& profile) {
  return absl::FromUnixNanos(profile.time_unix_nano) + absl::Nanoseconds(profile.duration_nano);
}

Profile WithoutKernelFrames(const Profile& profile) {
  Profile result = profile;
  const auto is_kernel = [&](LocationIndex location) { return profile.locations[location].type == FrameType::kKernel; };
  const profile::StringIndex none(0);
  const profile::FunctionIndex function = result.functions.Add(
      {.name = result.strings.Add("[kernel]"), .system_name = none, .filename = none, .start_line = 0});
  const LocationIndex kernel = result.locations.Add({.mapping = std::nullopt,
                                                     .address = 0,
                                                     .type = FrameType::kKernel,
                                                     .lines = {{.function = function, .line = 0, .column = 0}}});
  for (uint32_t i = 0; i < result.stacks.size(); ++i) {
    std::vector<LocationIndex>& locations = result.stacks[profile::StackIndex(i)].locations;
    if (std::erase_if(locations, is_kernel) == 0) continue;
    const bool has_frame = std::ranges::any_of(
        locations, [&](LocationIndex location) { return profile.locations[location].type != FrameType::kTruncated; });
    if (!has_frame) locations.insert(locations.begin(), kernel);
  }
  return result;
}

}  // namespace kiln::agent
