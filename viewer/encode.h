// SPDX-License-Identifier: Apache-2.0
// A profile as the JSON that the page reads (web/decode.js is the only reader). Made for size: tables as columns, only
// what the samples reach, every string once.
//
//   version     1
//   strings     texts; all names below are indices into it, 0 is ""
//   sampleTypes [[type, unit], …]     period [type, unit, period]     time ms since 1970     duration ns
//   frameTypes  text per frame type
//   modules     {file, buildId}
//   frames      {name, system, file, start, line, module, address, type, inlined}: one per line of each location;
//               module is an index or -1, address is hexadecimal text, name "" if it has none
//   stacks      {depth, frames}: frames of all stacks end to end, root first, outer functions before inlined ones
//   processes   [[pid or null, name, [[key, value, unit], …]], …]
//   threads     [[process, tid or null, name], …]
//   samples     {stack, thread, values}: thread names the process too; values has one column per sample type
//   properties  [[key, value, unit], …], keys, units and text values as plain text
#pragma once

#include <string>

#include "profile/profile.h"

namespace kiln::viewer {

// `profile` must be valid (profile::Validate). Equal profiles give equal text.
std::string EncodeJson(const profile::Profile& profile);

}  // namespace kiln::viewer
