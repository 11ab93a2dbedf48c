// SPDX-License-Identifier: Apache-2.0
// What execer becomes: burns in `after_exec` and prints the ground truth of both.
#include <unistd.h>

#include <cstdio>

#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;

KILN_BURNS int64_t after_exec(int64_t until_ns) { return BurnUntil(until_ns); }

int main(int argc, char** argv) {
  using namespace kiln::programs;
  const int64_t duration_ns = DurationArgument(argc, argv, 1, "execer_after CPU-SECONDS BEFORE-NS");
  if (argc < 3) {
    fprintf(stderr, "execer_after is started by execer\n");
    return 2;
  }
  StopOnSignals();
  Part parts[] = {{"before_exec", 0.0, nullptr, atoll(argv[2])}, {"after_exec", 1.0, after_exec}};
  RunParts(std::span(parts).subspan(1), duration_ns);
  Truth("execer").Number("pid", getpid()).Number("on_cpu_ns", ProcessCpuNs()).Parts("functions", parts).Print();
}
