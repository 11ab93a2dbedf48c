// SPDX-License-Identifier: Apache-2.0
#include "agent/govern/resource_use.h"

#include <sys/resource.h>

#include <cstdlib>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"

namespace kiln::agent {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ResourceUse ReadResourceUse(uint64_t bpf_ns) {
  ResourceUse use{.time_ns = MonotonicNs()};
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  use.cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime) + static_cast<double>(bpf_ns) / 1e9;
  if (const auto status = ReadFile("/proc/self/status", 65536); status.ok()) {
    constexpr std::string_view kKey = "VmRSS:";
    if (const size_t at = status->find(kKey); at != std::string::npos) {
      use.memory_bytes = std::strtoull(status->c_str() + at + kKey.size(), nullptr, 10) * 1024;
    }
  }
  return use;
}

}  // namespace kiln::agent
