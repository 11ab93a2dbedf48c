// SPDX-License-Identifier: Apache-2.0
// 70 % of the CPU time in `seventy`, 30 % in `thirty`, in one thread. Duration in CPU seconds.
#include <unistd.h>

#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;

KILN_BURNS int64_t seventy(int64_t until_ns) { return BurnUntil(until_ns); }
KILN_BURNS int64_t thirty(int64_t until_ns) { return BurnUntil(until_ns); }

int main(int argc, char** argv) {
  using namespace kiln::programs;
  const int64_t duration_ns = DurationArgument(argc, argv, 1, "shares CPU-SECONDS [EXIT-STATUS]");
  StopOnSignals();
  Part parts[] = {{"seventy", 0.7, seventy}, {"thirty", 0.3, thirty}};
  RunParts(parts, duration_ns);
  Truth("shares").Number("pid", getpid()).Number("on_cpu_ns", ProcessCpuNs()).Parts("functions", parts).Print();
  return argc > 2 ? atoi(argv[2]) : 0;
}
