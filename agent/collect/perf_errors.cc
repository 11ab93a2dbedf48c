// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/perf_errors.h"

#include <cstdlib>

#include "base/file.h"

namespace kiln::agent {
namespace {

constexpr const char* kMaxSampleRate = "/proc/sys/kernel/perf_event_max_sample_rate";

// The kernel's limit in Hz, 0 if it can't be read.
int MaxSampleRate() {
  const auto text = ReadFile(kMaxSampleRate, 64);
  return text.ok() ? std::atoi(text->c_str()) : 0;
}

}  // namespace

Status CheckFrequency(int frequency_hz) {
  if (frequency_hz < 1 || frequency_hz > 10000) {
    return Error(absl::StatusCode::kInvalidArgument, "{} Hz is outside of 1 … 10000 Hz", frequency_hz);
  }
  const int limit = MaxSampleRate();
  if (limit > 0 && frequency_hz > limit) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "the kernel allows {} Hz at most, not {}; raise it by: sysctl kernel.perf_event_max_sample_rate={}",
                 limit, frequency_hz, frequency_hz);
  }
  return absl::OkStatus();
}

Status PerfOpenError(int error_number, const SamplerOptions& options, int cpu) {
  switch (error_number) {
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(
          "the kernel refused to open perf events on all processes: where the capability PERFMON is there (as root's "
          "is), "
          "kernel.perf_event_paranoid above 2 does that on some distributions (sysctl kernel.perf_event_paranoid=2), "
          "or a "
          "container's seccomp filter (kiln doctor tells more)");
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
      if (options.event == SamplerEvent::kCycles) {
        return absl::UnimplementedError(
            "this machine has no hardware counter for cycles (usual in virtual machines): leave --event out");
      }
      break;
    case EINVAL: KILN_RETURN_IF_ERROR(CheckFrequency(options.frequency_hz)); break;
    case EMFILE:
      return absl::ResourceExhaustedError(
          "too many open files for one perf event per CPU: raise it by: ulimit -n 65536");
    case EBUSY:
      return Error(absl::StatusCode::kUnavailable, "the hardware counter of CPU {} is in use: leave --event out", cpu);
    default: break;
  }
  return ErrnoError(error_number, "cannot open a perf event on CPU {}", cpu);
}

}  // namespace kiln::agent
