// SPDX-License-Identifier: Apache-2.0
// A process in a pid and a mount namespace of its own, like in a container: it is pid 1 there, and its /tmp is a
// private tmpfs that holds both the file it runs from and its perf map, neither of which the host can see by path. 60 %
// of the CPU time in `inside_namespace`, 40 % in run-time code that the perf map calls `inside_jitted_loop`. The
// process outside only waits, and first prints the line "inner <pid as the host sees it>". Needs root. Duration in CPU
// seconds.
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tests/programs/file_copy.h"
#include "tests/programs/jitted_code.h"
#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;

KILN_BURNS int64_t inside_namespace(int64_t until_ns) { return BurnUntil(until_ns); }

namespace {

using namespace kiln::programs;

constexpr char kInnerPath[] = "/tmp/namespaced";

JittedLoop loop = nullptr;
int64_t Jitted(int64_t until_ns) { return RunJitted(loop, until_ns); }

// Runs outside: makes the namespaces, starts the process inside and waits for it.
int Outside(char** argv) {
  if (unshare(CLONE_NEWNS | CLONE_NEWPID) != 0) Die("unshare");
  const pid_t inner = fork();
  if (inner < 0) Die("fork");
  if (inner == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) Die("making the mounts private");
    if (mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) != 0) Die("mounting /tmp");
    CopyOwnFile(kInnerPath);  // by the old /proc: the new one has no process yet that runs this file
    if (mount("proc", "/proc", "proc", 0, nullptr) != 0) Die("mounting /proc");
    execl(kInnerPath, "namespaced", argv[1], "--inside", nullptr);
    Die(kInnerPath);
  }
  printf("inner %d\n", inner);
  fflush(stdout);
  int status = 0;
  while (waitpid(inner, &status, 0) < 0) {
    if (errno != EINTR) Die("wait");
    if (stop_requested) kill(inner, SIGTERM);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t duration_ns = DurationArgument(argc, argv, 1, "namespaced CPU-SECONDS");
  StopOnSignals();
  if (argc < 3 || strcmp(argv[2], "--inside") != 0) return Outside(argv);
  loop = MakeJittedLoop("inside_jitted_loop");
  Part parts[] = {{"inside_namespace", 0.6, inside_namespace}, {"inside_jitted_loop", 0.4, Jitted}};
  RunParts(parts, duration_ns);
  Truth("namespaced").Number("pid", getpid()).Number("on_cpu_ns", ProcessCpuNs()).Parts("functions", parts).Print();
}
