// SPDX-License-Identifier: Apache-2.0
// What senders put into a batch reaches the exporters pyroscope and debug: both must take anything.
#include <cstdlib>

#include "exporters/debug_text.h"
#include "exporters/pyroscope_series.h"
#include "otlp/profiles.h"
#include "pprof/pprof.h"
#include "profile/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kiln::exporters;
  const kiln::pipeline::Batch batch{.bytes = std::string(reinterpret_cast<const char*>(data), size)};
  const DebugLimits small{.samples = 3, .frames = 3, .bytes = 2000};
  if (!kiln::profile::IsValidUtf8(DebugText(batch, DebugSettings::Verbosity::kDetailed, small))) std::abort();
  const auto profile = kiln::otlp::DecodeProfilesData(batch.bytes);
  if (!profile.ok()) return 0;
  for (const PyroscopeSeries& series : MakePyroscopeBatch(*profile, {}, 1, {.max_bytes = 2000}).series) {
    if (series.labels.size() > kMaxLabels || !kiln::pprof::DecodePprof(series.pprof).ok()) std::abort();
  }
  return 0;
}
