// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_worker.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"

namespace kiln::agent {
namespace {

// Compiling is bursty: a new host or a new program needs hundreds of pages at once, then almost none. In the long run a
// quarter of a CPU.
constexpr double kBurstCpuSeconds = 4.0;
constexpr double kCpuShare = 0.25;
// Below the programs that are measured, yet high enough to get on with it on a host without idle time.
constexpr int kNice = 5;

const DebugFilePlaces kNoPlaces;

// CPU time that the calling thread, a worker, may still spend; negative if it spent too much.
double SecondsInHand() {
  static thread_local const uint64_t begin_ns = MonotonicNs();
  return kBurstCpuSeconds + kCpuShare * static_cast<double>(MonotonicNs() - begin_ns) / 1e9 - ThreadCpuSeconds();
}

// Waits for an RCU grace period, and with that for all BPF programs that run now.
void AwaitGracePeriod() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return;
  // Refused on kernels with nohz_full. A walk takes microseconds, and runs with interrupts off on most kernels.
  ::usleep(200'000);
}

}  // namespace

TableWorker::TableWorker(std::function<void()> wake, const std::string& cache_folder)
    : wake_(std::move(wake)), compiler_(cache_folder), thread_([this] { Run(); }) {}

TableWorker::~TableWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  thread_.join();
}

void TableWorker::Compile(const Request& request) {
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  work_.notify_one();
}

void TableWorker::SetAhead(bool on) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(ahead_, on) == on) return;
  }
  work_.notify_one();
}

void TableWorker::AwaitReaders() {
  {
    const std::lock_guard lock(mutex_);
    await_readers_ = true;
  }
  work_.notify_one();
}

TableWorker::Results TableWorker::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(results_, Results());
}

void TableWorker::Finish() {
  std::unique_lock lock(mutex_);
  finishing_ = true;
  work_.notify_all();
  idle_.wait(lock, [this] { return requests_.empty() && !await_readers_ && !busy_; });
  finishing_ = false;
}

TableCompiler::Counts TableWorker::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

double TableWorker::cpu_seconds() const {
  clockid_t clock = 0;
  // const_cast: the handle of a thread is not const in the standard library.
  if (::pthread_getcpuclockid(const_cast<std::thread&>(thread_).native_handle(), &clock) != 0) return 0;
  return static_cast<double>(ReadClockNs(clock)) / 1e9;
}

void TableWorker::KeepToBudget(std::unique_lock<std::mutex>& lock) {
  for (double over = -SecondsInHand(); over > 0 && !finishing_ && !stopping_; over = -SecondsInHand()) {
    if (await_readers_) {
      ServeReaders(lock);
    } else {
      work_.wait_for(lock, std::chrono::duration<double>(over / kCpuShare));
    }
  }
}

void TableWorker::ServeReaders(std::unique_lock<std::mutex>& lock) {
  if (!std::exchange(await_readers_, false)) return;
  const bool was_busy = std::exchange(busy_, true);
  lock.unlock();
  AwaitGracePeriod();
  lock.lock();
  results_.readers_gone = true;
  wake_();
  busy_ = was_busy;
  if (!was_busy) idle_.notify_all();
}

bool TableWorker::CompileAhead(std::unique_lock<std::mutex>& lock) {
  // What is asked for must find CPU time left.
  if (SecondsInHand() < kBurstCpuSeconds / 2) return false;
  lock.unlock();
  std::optional<CompiledPage> page = compiler_.CompileAhead();
  lock.lock();
  if (!page) return false;
  results_.ahead.push_back(*std::move(page));
  counts_ = compiler_.counts();
  return true;
}

void TableWorker::Run() {
  const auto thread = static_cast<id_t>(::gettid());
  ::setpriority(PRIO_PROCESS, thread, std::min(::getpriority(PRIO_PROCESS, thread) + kNice, 19));
  std::unique_lock lock(mutex_);
  for (;;) {
    busy_ = false;
    if (requests_.empty() && !await_readers_) {
      idle_.notify_all();
      if (ahead_ && !stopping_ && CompileAhead(lock)) continue;
      // Between two bursts of work is the time to write tables to the disk.
      const auto has_work = [this] { return stopping_ || !requests_.empty() || await_readers_; };
      if (!work_.wait_for(lock, std::chrono::seconds(2), has_work)) {
        lock.unlock();
        compiler_.Store();
        lock.lock();
        work_.wait(lock, has_work);
      }
    }
    if (stopping_) break;
    busy_ = true;
    ServeReaders(lock);
    if (requests_.empty()) continue;
    KeepToBudget(lock);
    if (stopping_) break;
    std::vector<Request> requests;
    requests.swap(requests_);
    for (const Request& request : requests) {
      lock.unlock();
      CompiledPage page = compiler_.Compile(request.table, *request.elf,
                                            request.places != nullptr ? *request.places : kNoPlaces, request.page);
      lock.lock();
      results_.pages.push_back(std::move(page));
      counts_ = compiler_.counts();
      ServeReaders(lock);
      KeepToBudget(lock);
      if (stopping_) break;
    }
    wake_();
  }
  lock.unlock();
  compiler_.Store();
}

}  // namespace kiln::agent
