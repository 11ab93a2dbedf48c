// SPDX-License-Identifier: Apache-2.0
// 80 % of the CPU time in code made at run time that /tmp/perf-PID.map calls `jitted_loop`, 20 % in `interpreter`. The
// map stays behind, as JIT compilers leave it; the ground truth names it. Duration in CPU seconds.
#include <unistd.h>

#include "tests/programs/jitted_code.h"
#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;

KILN_BURNS int64_t interpreter(int64_t until_ns) { return BurnUntil(until_ns); }

namespace {
kiln::programs::JittedLoop loop = nullptr;
int64_t Jitted(int64_t until_ns) { return kiln::programs::RunJitted(loop, until_ns); }
}  // namespace

int main(int argc, char** argv) {
  using namespace kiln::programs;
  const int64_t duration_ns = DurationArgument(argc, argv, 1, "jit CPU-SECONDS");
  StopOnSignals();
  loop = MakeJittedLoop("jitted_loop");
  Part parts[] = {{"jitted_loop", 0.8, Jitted}, {"interpreter", 0.2, interpreter}};
  RunParts(parts, duration_ns);
  Truth("jit")
      .Number("pid", getpid())
      .Number("on_cpu_ns", ProcessCpuNs())
      .Text("perf_map", PerfMapPath())
      .Parts("functions", parts)
      .Print();
}
