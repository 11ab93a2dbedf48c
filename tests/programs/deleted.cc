// SPDX-License-Identifier: Apache-2.0
// Burns in `in_deleted_file`, running from a copy of itself that is deleted before the first work. Duration in CPU
// seconds.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

#include "tests/programs/file_copy.h"
#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;

KILN_BURNS int64_t in_deleted_file(int64_t until_ns) { return BurnUntil(until_ns); }

int main(int argc, char** argv) {
  using namespace kiln::programs;
  const int64_t duration_ns = DurationArgument(argc, argv, 1, "deleted CPU-SECONDS");
  if (argc < 3) {
    const std::string directory = MakeTempDirectory("deleted");
    const std::string copy = directory + "/deleted";
    CopyOwnFile(copy);
    execl(copy.c_str(), "deleted", argv[1], directory.c_str(), nullptr);
    Die(copy);
  }
  std::filesystem::remove_all(argv[2]);
  StopOnSignals();
  Part parts[] = {{"in_deleted_file", 1.0, in_deleted_file}};
  RunParts(parts, duration_ns);
  Truth("deleted")
      .Number("pid", getpid())
      .Number("on_cpu_ns", ProcessCpuNs())
      .Text("path", std::string(argv[2]) + "/deleted")
      .Parts("functions", parts)
      .Print();
}
