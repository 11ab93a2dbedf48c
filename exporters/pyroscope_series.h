// SPDX-License-Identifier: Apache-2.0
// A profile as series for Pyroscope: labels, and pprof files that its limits let through.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exporters/pyroscope_labels.h"
#include "exporters/settings.h"
#include "profile/profile.h"

namespace kiln::exporters {

// Of one pprof file, before compression. Pyroscope takes 4 MiB and 16 000 samples (validation.max-profile-size-bytes,
// …stacktrace-samples), but its rate limiter never lets a series pass that is larger than its burst of 2 MB
// (distributor.ingestion-burst-size-mb): it would be answered 429 for ever.
struct PyroscopeLimits {
  size_t max_bytes = size_t{7} << 18;  // 1.75 MiB: the series' labels count too
  size_t max_samples = 16'000;
};

struct PyroscopeSeries {
  Labels labels;
  std::string pprof;  // gzip'ed
};

struct PyroscopeBatch {
  std::vector<PyroscopeSeries> series;
  int64_t cut_labels = 0;        // attributes that did not become labels for want of room, once per resource and kind
  int64_t negative_samples = 0;  // left out; Pyroscope would drop them in silence
};

// How `profile` (valid) becomes series:
//   a series per kind (see pyroscope_types.h) and set of labels (see pyroscope_labels.h); what resources with equal
//   labels
//     did is added up. A sample attribute service.name decides about the service, as Pyroscope does it for OTLP
//   samples without a value in a kind are not in its series; labels of samples are their texts, as far as they become
//     labels at all, and trace_id and span_id of a link. Pyroscope makes labels of the series out of all but the latter
//     two, so both together stay within kMaxLabels; numbers would be dropped there
//   a frame without a name gets one ("[libc.so.6+0x1234]"): Pyroscope's flame graphs leave out what has none
//   a series above the limits becomes several with equal labels
// Comments (properties) are not sent. Time 0 becomes `fallback_time_unix_nano`.
PyroscopeBatch MakePyroscopeBatch(const profile::Profile& profile, const PyroscopeSettings& settings,
                                  int64_t fallback_time_unix_nano, const PyroscopeLimits& limits = {});

}  // namespace kiln::exporters
