// SPDX-License-Identifier: Apache-2.0
// The labels of a series, as Pyroscope accepts them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporters/settings.h"
#include "profile/profile.h"

namespace kiln::exporters {

// Pyroscope's defaults (validation.max-label-names-per-series, …length-label-name, …length-label-value): one label too
// many or too long, and the whole request is refused.
inline constexpr size_t kMaxLabels = 30;
inline constexpr size_t kMaxLabelName = 1024;
inline constexpr size_t kMaxLabelValue = 2048;

using Labels = std::vector<std::pair<std::string, std::string>>;

// `name` with all but [A-Za-z0-9_] replaced by '_', one in front if it begins with a digit, cut to kMaxLabelName.
// Servers before 2.0 turn dots into '_' themselves, later ones keep them; this way both give the same names.
std::string ValidLabelName(std::string_view name);

// Cut to kMaxLabelValue at the border of a character.
std::string_view ValidLabelValue(std::string_view value);

// True if attributes with this key become labels: all if the settings name none.
bool BecomesLabel(const PyroscopeSettings& settings, std::string_view key);

struct SeriesLabels {
  Labels labels;    // by name; names are unique
  int64_t cut = 0;  // attributes that found no room, lost to another one of their name, or had a reserved name ("__…")
};

// Labels of the series `name`: __name__, service_name, external labels, then resource attributes until there are
// `max_labels`: first those by which people look for a process (see the table in the .cc), then the others by key.
// service_name is `service`, or if that is empty the resource's service.name, or else "unknown_service" with
// ":<process.executable.name>" if that is known, as Pyroscope itself names what came by OTLP. Empty values are no
// labels.
SeriesLabels MakeSeriesLabels(const profile::Profile& profile, profile::AttributeSetIndex resource,
                              std::string_view name, std::string_view service, const PyroscopeSettings& settings,
                              size_t max_labels);

}  // namespace kiln::exporters
