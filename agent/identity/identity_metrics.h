// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/metrics.h"

namespace kiln::agent::identity {

// What is read of a process.
enum class Part : uint8_t { kProcess, kStat, kExecutable, kCgroup, kMounts, kEnvironment, kCommandLine };
inline constexpr size_t kParts = 7;

// Why it was not read, or not whole.
enum class Miss : uint8_t {
  kGone,      // the process ended before
  kReused,    // another process has its pid by now
  kDenied,    // the capability is missing (SYS_PTRACE, DAC_READ_SEARCH), or a security module refuses
  kTooLarge,  // the beginning was read
  kOther,
};
inline constexpr size_t kMisses = 5;

// Where a service's name came from, in the order of their rank.
enum class ServiceNameSource : uint8_t {
  kRelabel,             // a rule set it
  kOtelServiceName,     // OTEL_SERVICE_NAME of the process
  kResourceAttributes,  // service.name in its OTEL_RESOURCE_ATTRIBUTES
  kContainerName,
  kSystemdUnit,
  kExecutable,    // name of the executable file, or the process's comm where that could not be read
  kKernelThread,  // "kernel"
  kUnknown,       // "unknown_service"
};
inline constexpr size_t kServiceNameSources = 8;

std::string_view NameOf(Part part);
std::string_view NameOf(Miss miss);
std::string_view NameOf(ServiceNameSource source);

// The counters of this folder. Thread-safe; the registry must outlive it.
class IdentityMetrics {
 public:
  explicit IdentityMetrics(MetricRegistry& registry);

  void CountMiss(Part part, Miss miss) { misses_[static_cast<size_t>(part)][static_cast<size_t>(miss)]->Add(); }
  void CountSource(ServiceNameSource source) { sources_[static_cast<size_t>(source)]->Add(); }
  int64_t Misses(Part part, Miss miss) const {
    return misses_[static_cast<size_t>(part)][static_cast<size_t>(miss)]->value();
  }
  int64_t Sources(ServiceNameSource source) const { return sources_[static_cast<size_t>(source)]->value(); }

  Counter& invalid_resource_attributes;  // values of OTEL_RESOURCE_ATTRIBUTES that were discarded
  Counter& overridden;  // attributes that the environment gave but an earlier source had, or that may not be given
  Counter& shortened;   // values above the limit
  Counter& over_limit;  // attributes beyond the number that is allowed
  Counter& dropped;     // processes that a rule left out
  Counter& inherited;   // processes that were gone and took over what their parent was

 private:
  std::array<std::array<Counter*, kMisses>, kParts> misses_;
  std::array<Counter*, kServiceNameSources> sources_;
};

}  // namespace kiln::agent::identity
