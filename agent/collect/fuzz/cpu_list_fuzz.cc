// SPDX-License-Identifier: Apache-2.0
// ParseCpuList on any text: what it takes is ascending, and means the same when it is written out and read again.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <cstdlib>

#include "agent/collect/online_cpus.h"

using namespace kiln::agent;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto cpus = ParseCpuList({reinterpret_cast<const char*>(data), size});
  if (!cpus.ok()) return 0;
  if (cpus->empty() || cpus->front() < 0) std::abort();
  for (size_t i = 1; i < cpus->size(); ++i) {
    if ((*cpus)[i - 1] >= (*cpus)[i]) std::abort();
  }
  const auto again = ParseCpuList(fmt::format("{}\n", fmt::join(*cpus, ",")));
  if (!again.ok() || *again != *cpus) std::abort();
  return 0;
}
