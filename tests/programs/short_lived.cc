// SPDX-License-Identifier: Apache-2.0
// COUNT processes that live for 5 to 10 ms of CPU time each, spent in `brief_work`, two at a time. With `exec` each one
// is a fork and an exec of this file, with `fork` a fork alone.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;

KILN_BURNS int64_t brief_work(int64_t until_ns) { return BurnUntil(until_ns); }

namespace {

using namespace kiln::programs;

constexpr int kParallel = 2;

// Burns and reports the CPU time spent to `report`, as eight bytes.
[[noreturn]] void BeBrief(int64_t slice_ns, int report) {
  const int64_t start_ns = ThreadCpuNs();
  const int64_t spent_ns = brief_work(start_ns + slice_ns) - start_ns;
  _exit(write(report, &spent_ns, sizeof(spent_ns)) == sizeof(spent_ns) ? EXIT_SUCCESS : EXIT_FAILURE);
}

void Start(bool exec, int64_t slice_ns, int report) {
  const pid_t pid = fork();
  if (pid < 0) Die("fork");
  if (pid > 0) return;
  if (!exec) BeBrief(slice_ns, report);
  execl("/proc/self/exe", "short_lived", "--brief", std::to_string(slice_ns).c_str(), std::to_string(report).c_str(),
        nullptr);
  Die("exec");
}

// Waits for one child, adds its CPU time to `on_cpu_ns` and what it reported to `part`.
void Finish(int report, Part& part, int64_t& on_cpu_ns) {
  int status = 0;
  rusage usage = {};
  int64_t spent_ns = 0;
  if (wait4(-1, &status, 0, &usage) < 0 || status != 0 ||
      read(report, &spent_ns, sizeof(spent_ns)) != sizeof(spent_ns)) {
    fprintf(stderr, "short_lived: a child failed\n");
    exit(EXIT_FAILURE);
  }
  part.spent_ns += spent_ns;
  for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
    on_cpu_ns += time.tv_sec * int64_t{1'000'000'000} + time.tv_usec * int64_t{1'000};
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "--brief") == 0) BeBrief(atoll(argv[2]), atoi(argv[3]));
  const int count = argc > 1 ? atoi(argv[1]) : 0;
  const bool exec = argc > 2 && strcmp(argv[2], "exec") == 0;
  if (count <= 0 || (!exec && (argc < 3 || strcmp(argv[2], "fork") != 0))) {
    fprintf(stderr, "usage: short_lived COUNT fork|exec\n");
    return 2;
  }
  int report[2];
  if (pipe(report) != 0) Die("pipe");
  Random random(1);
  Part part = {"brief_work", 1.0, brief_work};
  int64_t on_cpu_ns = 0;
  for (int started = 0; started < count; ++started) {
    if (started >= kParallel) Finish(report[0], part, on_cpu_ns);
    Start(exec, random.Between(5'000'000, 10'000'000), report[1]);
  }
  for (int running = 0; running < std::min(count, kParallel); ++running) Finish(report[0], part, on_cpu_ns);
  Truth("short_lived")
      .Number("pid", getpid())
      .Number("count", count)
      .Number("on_cpu_ns", on_cpu_ns + ProcessCpuNs())
      .Parts("functions", {&part, 1})
      .Print();
}
