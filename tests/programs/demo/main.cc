// SPDX-License-Identifier: Apache-2.0
// The built-in load of scripts/run: a small log service. Two threads ingest (parse, index), one answers queries (hash,
// sort), one archives (compress, checksum, file I/O), and a forked helper process verifies archives. It has the variety
// of a real service in a flame graph at well under one core: each thread works a share of the time and then rests.
// Duration in seconds of wall time.
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <thread>

#include "tests/programs/demo/archive.h"
#include "tests/programs/demo/index.h"
#include "tests/programs/demo/text.h"
#include "tests/programs/truth.h"

namespace demo {
namespace {

using kiln::programs::ClockNs;
using kiln::programs::Random;
using kiln::programs::stop_requested;
using kiln::programs::ThreadCpuNs;

constexpr size_t kArchiveBlocks = 64;

int64_t end_ns = 0;  // CLOCK_MONOTONIC; set before the threads start

// Repeats `work` until the end and rests in between, so that this thread uses the share `busy` of one CPU.
template <typename Work>
void KeepBusy(double busy, Work work) {
  while (ClockNs(CLOCK_MONOTONIC) < end_ns && !stop_requested) {
    const int64_t start_ns = ThreadCpuNs();
    work();
    const auto spent_ns = static_cast<double>(ThreadCpuNs() - start_ns);
    poll(nullptr, 0, 1 + static_cast<int>(spent_ns * (1 / busy - 1) / 1e6));
  }
}

class Service {
 public:
  __attribute__((noinline)) void Ingest(Random& random) {
    const std::string log = GenerateLog(random, 400);
    const std::vector<Request> requests = ParseLog(log);
    const std::scoped_lock lock(mutex_);
    if (++batches_ % 64 == 0) index_.Clear();
    index_.Add(requests);
    raw_.append(log, 0, 24 << 10);
  }

  __attribute__((noinline)) void AnswerQueries(Random& random) {
    const char* tokens[] = {"orders", "customers", "invoices", "parcels", "returns", "search", "basket", "stock"};
    const std::scoped_lock lock(mutex_);
    slowest_ += index_.Slowest(tokens[random.Between(0, std::size(tokens))], 10).size();
    latency_ += index_.LatencyQuantile(0.99);
  }

  __attribute__((noinline)) void Archive() {
    std::string raw;
    {
      const std::scoped_lock lock(mutex_);
      raw.swap(raw_);
    }
    raw.resize(std::min(raw.size(), size_t{128} << 10));
    const std::string packed = Compress(raw);
    checksum_ ^= Checksum(packed);
    for (int copy = 0; copy < 4; ++copy) file_.Append(packed);
    if (++blocks_ % 8 == 0) checksum_ ^= Checksum(std::string_view(file_.ReadAll()).substr(0, 4096));
    if (blocks_ % kArchiveBlocks == 0) file_.Truncate();
  }

 private:
  std::mutex mutex_;
  SearchIndex index_;  // guarded by mutex_
  std::string raw_;    // guarded by mutex_
  size_t batches_ = 0;
  size_t slowest_ = 0;
  double latency_ = 0;
  BlockFile file_;  // the archiver's, like what follows
  uint32_t checksum_ = 0;
  size_t blocks_ = 0;
};

// What the forked helper does.
__attribute__((noinline)) void VerifyArchives() {
  Random random(7);
  KeepBusy(0.12, [&random] {
    const std::string log = GenerateLog(random, 200);
    if (Checksum(Decompress(Compress(log))) != Checksum(log)) kiln::programs::Die("an archive is broken");
  });
}

std::thread Start(const char* name, auto work) {
  return std::thread([name, work] {
    pthread_setname_np(pthread_self(), name);
    work();
  });
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) {
  using namespace demo;
  end_ns = ClockNs(CLOCK_MONOTONIC) + kiln::programs::DurationArgument(argc, argv, 1, "demo SECONDS");
  const pid_t verifier = fork();
  kiln::programs::StopOnSignals();  // in both; who sees the parent catch SIGTERM also sees its child
  if (verifier < 0) kiln::programs::Die("fork");
  if (verifier == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "demo-verifier");
    VerifyArchives();
    _exit(EXIT_SUCCESS);
  }

  Service service;
  std::thread threads[] = {
      Start("ingest-0", [&service] { KeepBusy(0.2, [&, random = Random(1)]() mutable { service.Ingest(random); }); }),
      Start("ingest-1", [&service] { KeepBusy(0.2, [&, random = Random(2)]() mutable { service.Ingest(random); }); }),
      Start("query",
            [&service] { KeepBusy(0.15, [&, random = Random(3)]() mutable { service.AnswerQueries(random); }); }),
      Start("archive", [&service] { KeepBusy(0.2, [&service] { service.Archive(); }); }),
  };
  for (std::thread& thread : threads) thread.join();
  kill(verifier, SIGTERM);
  while (waitpid(verifier, nullptr, 0) < 0 && errno == EINTR) continue;
  kiln::programs::Truth("demo").Number("pid", getpid()).Number("on_cpu_ns", kiln::programs::ProcessCpuNs()).Print();
}
