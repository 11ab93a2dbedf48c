// SPDX-License-Identifier: Apache-2.0
// Speedscope's own JSON (https://www.speedscope.app/file-format-schema.json), profile type "sampled".
//
// What is written: one speedscope profile per process ("app (pid 42)"), the largest first, since speedscope shows one
// at a time; threads and labels are summed. A CPU profile's weights are nanoseconds (count * period), others are the
// last sample type. A frame is a function in a mapping, inlined functions included: speedscope tells frames apart by
// name, file and line, so the lines inside a function would split it; "line" is the function's first line. `file` falls
// back to the mapping. Beyond the schema, which allows it, a frame has "module" (the mapping's file) and the document
// has "kiln" (sample type, period, time), so that DecodeSpeedscope gets back what speedscope itself has no use for.
//
// What EncodeSpeedscope loses: addresses, mapping ranges and build ids, symbol names, lines inside functions, which
// frames were inlined, threads, labels and links, all resource attributes but process.pid and process.executable.name
// (or whatever names the process), all sample types but one, properties.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "profile/profile.h"

namespace kiln::pprof {

// `profile` (valid) as JSON. Equal profiles give equal bytes. Weights that do not fit saturate.
std::string EncodeSpeedscope(const profile::Profile& profile);

// Reads a speedscope file whose profiles are of the type "sampled" and share one unit. The weights of kiln's own files
// become counts again; others become samples/count ("none"), time/nanoseconds (any unit of time, rounded) or
// space/bytes. A profile called "name (pid N)" gives process.executable.name and process.pid, any other name is the
// executable's in kiln's own files and the sample attribute speedscope.profile.name in others. kInvalidArgument names
// what is wrong, e.g. "profile 0: sample 3: frame 12 is out of range (5)".
StatusOr<profile::Profile> DecodeSpeedscope(std::string_view json);

}  // namespace kiln::pprof
