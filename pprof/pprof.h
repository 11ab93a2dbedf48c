// SPDX-License-Identifier: Apache-2.0
// pprof files (google/pprof's profile.proto), as `go tool pprof`, Pyroscope and others read them.
//
// How a Profile maps to pprof, and back unless said otherwise:
//   sample types      as they are. The single type samples/count of a CPU profile (period cpu/nanoseconds) gets its
//                     customary second value cpu/nanoseconds = count * period, which is also the default type. The
//                     reader folds the two into one again if this holds for every sample.
//   attributes        labels under their own keys. Integers are num with num_unit; strings are str and lose their unit;
//                     bool and double become the text "true", "false" or the shortest decimal that reads back as equal.
//                     The reader takes keys that start with process. service. host. os. container. k8s. telemetry. or
//                     deployment. for the resource and all others for the sample. Of several labels of one sample with
//                     one key the last wins.
//   link              the labels trace_id (32 hex digits) and span_id (16); all zeros = the label is left out.
//   properties        comments "key=value". A value that is a plain decimal integer comes back as an integer; units are
//                     lost, and so are repetitions. A comment that has no key of [A-Za-z0-9_.-], or whose key came
//                     before, is kept in the property kiln.comment, one to a line, and written as one comment. The
//                     properties pprof.profile.drop_frames, .keep_frames, .doc_url and
//                     pprof.scope.default_sample_type stand for pprof's own fields of these names.
//   frame type        not written; the reader goes by frame_type.h's convention.
//   system name       equal to the name where the profile has none.
// Lost in reading: Location.is_folded, the has_… flags of mappings, lines without a function, samples of equal identity
// as separate entries (their values are added). A function without any name is called "[unknown]".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"
#include "profile/profile.h"

namespace kiln::pprof {

// What DecodePprof unpacks at most; a message that large already takes several times as much memory.
inline constexpr size_t kMaxPprofBytes = size_t{1} << 30;

// `profile` (valid, see profile/validate.h) as gzip'ed pprof. Equal profiles give equal bytes. The first mapping, which
// tools take for the main binary, is the executable of the process with the largest share, if it is among the mappings.
std::string EncodePprof(const profile::Profile& profile);

// Reads a pprof file, gzip'ed or plain. The result is valid. kInvalidArgument names what is wrong ("location 7: mapping
// id 12 does not exist"); kResourceExhausted if it unpacks to more than kMaxPprofBytes.
StatusOr<profile::Profile> DecodePprof(std::string_view bytes);

}  // namespace kiln::pprof
