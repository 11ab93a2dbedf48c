// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

#include <cstdint>

namespace kiln {

inline int64_t ReadClockNs(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// CLOCK_MONOTONIC, the clock of samples and side-band events.
inline uint64_t MonotonicNs() { return static_cast<uint64_t>(ReadClockNs(CLOCK_MONOTONIC)); }

// Wall clock, nanoseconds since the Unix epoch.
inline int64_t UnixNs() { return ReadClockNs(CLOCK_REALTIME); }

// CPU time that the calling thread has used.
inline double ThreadCpuSeconds() { return static_cast<double>(ReadClockNs(CLOCK_THREAD_CPUTIME_ID)) / 1e9; }

}  // namespace kiln
