// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporters/settings.h"
#include "pipeline/batch.h"

namespace kiln::exporters {

struct DebugLimits {
  int samples = 20;  // of each profile
  int frames = 64;   // of each stack
  size_t bytes = size_t{256} << 10;
};

// A batch as text, in the manner of the Collector's exporter of this name. Never fails: bytes that can't be read become
// a text that says so, references out of range become "<bad index>", control characters spaces.
//   kBasic     one line: how many resources, how many samples
//   kNormal    and a line per resource, scope and profile, with type, period and number of samples
//   kDetailed  and attributes, and samples with values, links and stacks, up to the limits
// Other signals than profiles: kBasic as above, else OTLP/JSON.
std::string DebugText(const pipeline::Batch& batch, DebugSettings::Verbosity verbosity, const DebugLimits& limits = {});

}  // namespace kiln::exporters
