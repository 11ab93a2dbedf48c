// SPDX-License-Identifier: Apache-2.0
// Three named threads with 50, 30 and 20 % of the CPU time, each in a function of its own. The main thread hands out
// turns, so that one thread runs at a time and the shares hold over any window. Duration in CPU seconds.
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <semaphore>
#include <thread>

#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;

KILN_BURNS int64_t render_work(int64_t until_ns) { return BurnUntil(until_ns); }
KILN_BURNS int64_t network_work(int64_t until_ns) { return BurnUntil(until_ns); }
KILN_BURNS int64_t storage_work(int64_t until_ns) { return BurnUntil(until_ns); }

namespace {

using namespace kiln::programs;

// One thread and its turn. `slice_ns` is written by the main thread before `turn`, 0 ends the thread; `spent_ns` is
// written by the thread before `done`.
struct Worker {
  const char* name;
  Part* part;
  std::binary_semaphore turn{0};
  std::binary_semaphore done{0};
  int64_t slice_ns = 0;
  int64_t spent_ns = 0;
  int64_t on_cpu_ns = 0;
  pid_t tid = 0;
};

void Run(Worker& worker) {
  pthread_setname_np(pthread_self(), worker.name);
  worker.tid = gettid();
  for (worker.turn.acquire(); worker.slice_ns > 0; worker.turn.acquire()) {
    const int64_t start_ns = ThreadCpuNs();
    worker.spent_ns = worker.part->run(start_ns + worker.slice_ns) - start_ns;
    worker.done.release();
  }
  worker.on_cpu_ns = ThreadCpuNs();
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t duration_ns = DurationArgument(argc, argv, 1, "threads CPU-SECONDS");
  StopOnSignals();
  std::array<Part, 3> parts = {
      {{"render_work", 0.5, render_work}, {"network_work", 0.3, network_work}, {"storage_work", 0.2, storage_work}}};
  std::array<Worker, 3> workers = {{{"render", &parts[0]}, {"network", &parts[1]}, {"storage", &parts[2]}}};
  std::array<std::thread, 3> threads;
  for (size_t i = 0; i < threads.size(); ++i) threads[i] = std::thread(Run, std::ref(workers[i]));

  Random random(1);
  for (int64_t total_ns = 0; total_ns < duration_ns && !stop_requested;) {
    Worker& worker = workers[static_cast<size_t>(&MostBehind(parts) - parts.data())];
    worker.slice_ns = random.Between(kShortestSliceNs, kLongestSliceNs);
    worker.turn.release();
    worker.done.acquire();
    worker.part->spent_ns += worker.spent_ns;
    total_ns += worker.spent_ns;
  }
  Truth truth("threads");
  for (size_t i = 0; i < threads.size(); ++i) {
    workers[i].slice_ns = 0;
    workers[i].turn.release();
    threads[i].join();
    truth.Thread(workers[i].tid, workers[i].name, workers[i].on_cpu_ns);
  }
  truth.Number("pid", getpid()).Number("on_cpu_ns", ProcessCpuNs()).Parts("functions", parts).Print();
}
