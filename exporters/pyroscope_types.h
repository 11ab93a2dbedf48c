// SPDX-License-Identifier: Apache-2.0
// What Pyroscope calls kinds of profiles. A profile type there is name:type:unit:period_type:period_unit, where the
// name is the label __name__ of a series and the rest comes from the pprof file. Its UI knows the customary ones; OTLP
// can name but a few of them (samples/count of a CPU), push.v1 all.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "profile/profile.h"

namespace kiln::exporters {

// Sample types of one profile that make one series: one pprof file may hold several.
struct PyroscopeKind {
  std::string name;  // __name__, e.g. "process_cpu", "memory"
  struct Column {
    size_t index;            // into the profile's sample types
    std::string type, unit;  // in the pprof file
  };
  std::vector<Column> columns;  // at least one
  // Of the pprof file. For process_cpu from samples/count this is cpu/nanoseconds with the profile's period, so that
  // the pprof writer adds the value cpu/nanoseconds.
  std::string period_type, period_unit;
  int64_t period = 0;
};

// The kinds of `profile`, each sample type in exactly one:
//   samples/count with period cpu/nanoseconds, cpu/nanoseconds        process_cpu
//   off_cpu/nanoseconds                                               off_cpu, without a period
//   wall/nanoseconds                                                  wall
//   {alloc,inuse}_{objects/count,space/bytes}                         memory, period space/bytes
//   contentions/count, delay/nanoseconds; the same with mutex_ before mutex, period contentions/count
//   block_contentions/count, block_delay/nanoseconds                  block, period contentions/count
//   goroutine/count, goroutines/count                                 goroutine
//   anything else                                                     by its own type
// Characters that Pyroscope refuses in names and types become '_'.
std::vector<PyroscopeKind> PyroscopeKinds(const profile::Profile& profile);

}  // namespace kiln::exporters
