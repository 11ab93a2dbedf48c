// SPDX-License-Identifier: Apache-2.0
// A tree of four processes: `parent_work` 20 %, `child_work` 30 %, twice `grandchild_work` 25 %. Each forks after half
// of its own work, so most of the tree starts late, when a profiler that was told the parent's pid is already running.
// Duration in CPU seconds of all processes together, spent side by side where there are CPUs.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;

KILN_BURNS int64_t parent_work(int64_t until_ns) { return BurnUntil(until_ns); }
KILN_BURNS int64_t child_work(int64_t until_ns) { return BurnUntil(until_ns); }
KILN_BURNS int64_t grandchild_work(int64_t until_ns) { return BurnUntil(until_ns); }

namespace {

using namespace kiln::programs;

// One process of the tree, in memory that all of them share; each fills its own entry but for its pid.
struct Member {
  Part part;
  size_t first_child;  // its children are members [first_child, end_child)
  size_t end_child;
  pid_t pid;
  int64_t on_cpu_ns;
};

void RunMember(Member* members, size_t index, int64_t duration_ns) {
  Member& self = members[index];
  const std::span children(members + self.first_child, members + self.end_child);
  const auto half_ns = static_cast<int64_t>(self.part.share * static_cast<double>(duration_ns) / 2);
  RunParts({&self.part, 1}, half_ns);
  for (size_t child = self.first_child; child < self.end_child; ++child) {
    const pid_t pid = fork();
    if (pid < 0) Die("fork");
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      RunMember(members, child, duration_ns);
      _exit(EXIT_SUCCESS);
    }
    members[child].pid = pid;
  }
  RunParts({&self.part, 1}, half_ns);
  for (const Member& child : children) {
    if (stop_requested) kill(child.pid, SIGTERM);
    while (waitpid(child.pid, nullptr, 0) < 0) {
      if (errno != EINTR) Die("wait");
      kill(child.pid, SIGTERM);
    }
  }
  self.on_cpu_ns = ProcessCpuNs();
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t duration_ns = DurationArgument(argc, argv, 1, "forks CPU-SECONDS");
  StopOnSignals();
  const Member tree[] = {{{"parent_work", 0.2, parent_work}, 1, 2, 0, 0},
                         {{"child_work", 0.3, child_work}, 2, 4, 0, 0},
                         {{"grandchild_work", 0.25, grandchild_work}, 4, 4, 0, 0},
                         {{"grandchild_work", 0.25, grandchild_work}, 4, 4, 0, 0}};
  void* shared = mmap(nullptr, sizeof(tree), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) Die("mmap");
  auto* members = static_cast<Member*>(shared);
  std::copy(std::begin(tree), std::end(tree), members);
  members[0].pid = getpid();
  RunMember(members, 0, duration_ns);

  Truth truth("forks");
  int64_t on_cpu_ns = 0;
  for (const Member& member : std::span(members, std::size(tree))) {
    truth.Process(member.pid, member.part.name, member.on_cpu_ns);
    on_cpu_ns += member.on_cpu_ns;
  }
  truth.Number("pid", getpid()).Number("on_cpu_ns", on_cpu_ns).Print();
}
