// SPDX-License-Identifier: Apache-2.0
// Spends half of its CPU time in `before_exec` and then becomes another program, execer_after, in the same process.
// Duration in CPU seconds.
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;

KILN_BURNS int64_t before_exec(int64_t until_ns) { return BurnUntil(until_ns); }

int main(int argc, char** argv) {
  using namespace kiln::programs;
  const int64_t half_ns = DurationArgument(argc, argv, 1, "execer CPU-SECONDS") / 2;
  StopOnSignals();
  Part parts[] = {{"before_exec", 1.0, before_exec}};
  RunParts(parts, half_ns);
  const std::string next = std::filesystem::read_symlink("/proc/self/exe").string() + "_after";
  execl(next.c_str(), "execer_after", std::to_string(half_ns / 1e9).c_str(), std::to_string(parts[0].spent_ns).c_str(),
        nullptr);
  Die(next);
}
