// SPDX-License-Identifier: Apache-2.0
// Folded stacks, the format of Brendan Gregg's flamegraph.pl: one line per distinct stack, root first,
// "app;main;work;vfs_read_[k] 20".
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "profile/profile.h"

namespace kiln::pprof {

// The first value of `profile` (valid) per process and stack, summed over threads and labels, lines in byte order. The
// process's name is the root frame, if it has one. Inlined functions are frames of their own; kernel frames end in
// _[k]; a frame without a name is [file+0xaddress]. In names ';' becomes ':' and control characters become spaces.
std::string EncodeFolded(const profile::Profile& profile);

// Reads folded stacks as samples/count without a period. The root frame stays a frame, since only the writer knows
// whether it is a process; _[k] and "[truncated: …]" decide the frame type. Addresses, files and lines are not in the
// format. kInvalidArgument names the line that has no count.
StatusOr<profile::Profile> DecodeFolded(std::string_view text);

}  // namespace kiln::pprof
