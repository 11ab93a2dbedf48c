// SPDX-License-Identifier: Apache-2.0
#include "exporters/pyroscope_types.h"

#include <algorithm>
#include <string_view>

#include "exporters/pyroscope_labels.h"

namespace kiln::exporters {
namespace {

using profile::Profile;

struct Known {
  std::string_view type, unit;  // in OTLP
  std::string_view name;        // __name__
  std::string_view pprof_type;  // in the pprof file, with the same unit
  std::string_view period_type, period_unit;
};

constexpr Known kKnown[] = {
    {"cpu", "nanoseconds", "process_cpu", "cpu", "cpu", "nanoseconds"},
    {"off_cpu", "nanoseconds", "off_cpu", "off_cpu", "", ""},
    {"wall", "nanoseconds", "wall", "wall", "wall", "nanoseconds"},
    {"alloc_objects", "count", "memory", "alloc_objects", "space", "bytes"},
    {"alloc_space", "bytes", "memory", "alloc_space", "space", "bytes"},
    {"inuse_objects", "count", "memory", "inuse_objects", "space", "bytes"},
    {"inuse_space", "bytes", "memory", "inuse_space", "space", "bytes"},
    {"contentions", "count", "mutex", "contentions", "contentions", "count"},
    {"delay", "nanoseconds", "mutex", "delay", "contentions", "count"},
    {"mutex_contentions", "count", "mutex", "contentions", "contentions", "count"},
    {"mutex_delay", "nanoseconds", "mutex", "delay", "contentions", "count"},
    {"block_contentions", "count", "block", "contentions", "contentions", "count"},
    {"block_delay", "nanoseconds", "block", "delay", "contentions", "count"},
    {"goroutine", "count", "goroutine", "goroutine", "goroutine", "count"},
    {"goroutines", "count", "goroutine", "goroutine", "goroutine", "count"},
};

// What the sample type with number `index` becomes, as a kind of one column.
PyroscopeKind KindOf(const Profile& profile, size_t index) {
  const std::string& type = profile.strings[profile.sample_types[index].type];
  const std::string& unit = profile.strings[profile.sample_types[index].unit];
  const std::string& period_type = profile.strings[profile.period_type.type];
  const std::string& period_unit = profile.strings[profile.period_type.unit];
  if (type == "samples" && unit == "count" && period_type == "cpu" && period_unit == "nanoseconds") {
    return {"process_cpu", {{index, type, unit}}, period_type, period_unit, profile.period};
  }
  const auto known = std::ranges::find_if(kKnown, [&](const Known& k) { return k.type == type && k.unit == unit; });
  if (known != std::end(kKnown)) {
    const bool same_period = known->period_type == period_type && known->period_unit == period_unit;
    return {std::string(known->name),
            {{index, std::string(known->pprof_type), unit}},
            std::string(known->period_type),
            std::string(known->period_unit),
            same_period ? profile.period : 0};
  }
  const std::string name = type.empty() ? "unknown" : ValidLabelName(type);
  // The profile has but one period: of several sample types nobody knows which it belongs to.
  if (profile.sample_types.size() > 1) return {name, {{index, name, unit}}, "", "", 0};
  return {name, {{index, name, unit}}, period_type, period_unit, profile.period};
}

}  // namespace

std::vector<PyroscopeKind> PyroscopeKinds(const Profile& profile) {
  std::vector<PyroscopeKind> kinds;
  for (size_t i = 0; i < profile.sample_types.size(); ++i) {
    PyroscopeKind kind = KindOf(profile, i);
    const auto same = std::ranges::find_if(kinds, [&](const PyroscopeKind& other) {
      const auto has_column = [&](const PyroscopeKind::Column& column) { return column.type == kind.columns[0].type; };
      return other.name == kind.name && other.period_type == kind.period_type && other.period == kind.period &&
             std::ranges::none_of(other.columns, has_column);
    });
    if (same != kinds.end()) {
      same->columns.push_back(std::move(kind.columns[0]));
    } else {
      kinds.push_back(std::move(kind));
    }
  }
  return kinds;
}

}  // namespace kiln::exporters
