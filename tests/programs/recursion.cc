// SPDX-License-Identifier: Apache-2.0
// All CPU time in `bottom`, below exactly DEPTH frames of `descend`. Duration in CPU seconds.
#include <unistd.h>

#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;

KILN_BURNS int64_t bottom(int64_t until_ns) { return BurnUntil(until_ns); }

KILN_BURNS int64_t descend(int frames, int64_t until_ns) {
  KILN_KEEP_FRAME();
  const int64_t now_ns = frames > 1 ? descend(frames - 1, until_ns) : bottom(until_ns);
  KILN_KEEP_FRAME();  // work after the call: no tail call
  return now_ns;
}

namespace {
int depth = 0;
int64_t Descend(int64_t until_ns) { return descend(depth, until_ns); }
}  // namespace

int main(int argc, char** argv) {
  using namespace kiln::programs;
  const char* usage = "recursion CPU-SECONDS DEPTH";
  const int64_t duration_ns = DurationArgument(argc, argv, 1, usage);
  depth = static_cast<int>(DurationArgument(argc, argv, 2, usage) / 1'000'000'000);
  StopOnSignals();
  Part parts[] = {{"bottom", 1.0, Descend}};
  RunParts(parts, duration_ns);
  Truth("recursion")
      .Number("pid", getpid())
      .Number("on_cpu_ns", ProcessCpuNs())
      .Number("depth", depth)
      .Parts("functions", parts)
      .Print();
}
