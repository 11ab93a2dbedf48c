// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_worker.h"

#include <pthread.h>
#include <sys/resource.h>
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
// Work ahead gives way to everything. While stacks wait for a page, on a host without idle time, each millisecond costs
// stacks: then the worker is as good as others, within its budget.
constexpr int kNiceAhead = 5;
// Where a thread may not raise its priority again (CAP_SYS_NICE, RLIMIT_NICE), it stays here.
constexpr int kNiceFixed = 5;

// Pages from the cache that the collector's thread is not woken for.
constexpr size_t kMaxAheadUntold = 256;
// Pages that are taken from the cache before what was asked for meanwhile has its turn.
constexpr size_t kMaxCachedAtOnce = 64;

const DebugFilePlaces kNoPlaces;

// Of the calling thread, relative to what it was.
class Priority {
 public:
  Priority() : thread_(static_cast<id_t>(::gettid())), normal_(::getpriority(PRIO_PROCESS, thread_)) {
    // Lowered first, to see whether it can be raised from there.
    if (Set(kNiceFixed) && Set(0)) return;
    fixed_ = true;
  }
  void Lower() { Change(kNiceAhead); }
  void Restore() { Change(0); }

 private:
  bool Set(int nice) { return ::setpriority(PRIO_PROCESS, thread_, std::min(normal_ + (nice_ = nice), 19)) == 0; }
  void Change(int nice) {
    if (!fixed_ && nice != nice_) Set(nice);
  }

  const id_t thread_;
  const int normal_;
  int nice_ = 0;
  bool fixed_ = false;
};

// CPU time that the calling thread, a worker, may still spend; negative if it spent too much.
double SecondsInHand() {
  static thread_local const uint64_t begin_ns = MonotonicNs();
  return kBurstCpuSeconds + kCpuShare * static_cast<double>(MonotonicNs() - begin_ns) / 1e9 - ThreadCpuSeconds();
}

// Until a worker may work ahead: what is asked for must find CPU time left. 0 or less = it may.
double SecondsUntilAhead() { return (kBurstCpuSeconds / 2 - SecondsInHand()) / kCpuShare; }

}  // namespace

TableWorker::TableWorker(std::function<void()> wake, const std::string& cache_folder)
    : wake_(std::move(wake)),
      compiler_(cache_folder),
      readers_([this] {
        const std::lock_guard lock(mutex_);
        results_.readers_gone = true;
        wake_();
      }),
      thread_([this] { Run(); }) {}

TableWorker::~TableWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  thread_.join();
}

void TableWorker::Enqueue(std::deque<Request>& queue, const Request& request) {
  {
    const std::lock_guard lock(mutex_);
    queue.push_back(request);
  }
  work_.notify_one();
}

void TableWorker::Compile(const Request& request) { Enqueue(requests_, request); }

void TableWorker::CompileLikely(const Request& request) { Enqueue(likely_, request); }

void TableWorker::Hurry(uint32_t table, uint32_t page) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(
      likely_, [&](const Request& request) { return request.table == table && request.page == page; });
  if (found == likely_.end()) return;
  requests_.push_back(*found);
  likely_.erase(found);
}

void TableWorker::TakeCached(const Request& request) {
  {
    const std::lock_guard lock(mutex_);
    if (!ahead_) return;
    cached_.push_back(request);
  }
  work_.notify_one();
}

void TableWorker::Forget(uint32_t table) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(cached_, [table](const Request& request) { return request.table == table; });
    forgotten_.push_back(table);
  }
  work_.notify_one();
}

void TableWorker::SetAhead(bool on) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(ahead_, on) == on) return;
    if (!on) cached_.clear();
  }
  work_.notify_one();
}

void TableWorker::AwaitReaders() { readers_.Begin(); }

TableWorker::Results TableWorker::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(results_, Results());
}

void TableWorker::AwaitIdle(std::chrono::nanoseconds timeout) {
  std::unique_lock lock(mutex_);
  idle_.wait_for(lock, timeout, [this] { return IsIdle(); });
}

void TableWorker::Finish() {
  std::unique_lock lock(mutex_);
  finishing_ = true;
  work_.notify_all();
  idle_.wait(lock, [this] { return IsIdle(); });
  finishing_ = false;
  lock.unlock();
  readers_.Finish();
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
    work_.wait_for(lock, std::chrono::duration<double>(over / kCpuShare));
  }
}

bool TableWorker::CompileAhead(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  std::optional<CompiledPage> page = compiler_.CompileAhead();
  lock.lock();
  if (!page) return false;
  results_.ahead.push_back(*std::move(page));
  counts_ = compiler_.counts();
  return true;
}

void TableWorker::TakeNextCached(std::unique_lock<std::mutex>& lock) {
  const Request request = std::move(cached_.front());
  cached_.pop_front();
  std::vector<CompiledPage> pages;
  lock.unlock();
  const DebugFilePlaces& places = request.places != nullptr ? *request.places : kNoPlaces;
  const bool more = compiler_.TakeCached(request.table, request.elf, places, kMaxCachedAtOnce, pages);
  lock.lock();
  std::ranges::move(pages, std::back_inserter(results_.ahead));
  counts_ = compiler_.counts();
  const bool is_forgotten = std::ranges::find(forgotten_, request.table) != forgotten_.end();
  if (more && ahead_ && !is_forgotten) cached_.push_front(request);
  if (cached_.empty() || results_.ahead.size() > kMaxAheadUntold) wake_();
}

void TableWorker::CompileNext(std::unique_lock<std::mutex>& lock) {
  std::deque<Request>& queue = requests_.empty() ? likely_ : requests_;
  const Request request = std::move(queue.front());
  queue.pop_front();
  lock.unlock();
  CompiledPage page = compiler_.Compile(request.table, request.elf,
                                        request.places != nullptr ? *request.places : kNoPlaces, request.page);
  lock.lock();
  results_.pages.push_back(std::move(page));
  counts_ = compiler_.counts();
  wake_();  // a page takes milliseconds, and stacks wait for it
  // What costs next to nothing comes next: other stacks will need it.
  if (ahead_ && (cached_.empty() || cached_.front().table != request.table)) cached_.push_front(request);
}

void TableWorker::Run() {
  Priority priority;
  std::unique_lock lock(mutex_);
  const auto has_work = [this] { return !requests_.empty() || !cached_.empty() || !likely_.empty(); };
  for (;;) {
    for (const uint32_t table : std::exchange(forgotten_, {})) compiler_.Forget(table);
    busy_ = false;
    if (!has_work()) {
      idle_.notify_all();
      priority.Lower();
      const double pause = SecondsUntilAhead();
      if (ahead_ && !stopping_ && pause <= 0 && CompileAhead(lock)) continue;
      const auto is_wanted = [&] { return stopping_ || has_work() || !forgotten_.empty(); };
      // Between two bursts of work is the time to write tables to the disk.
      if (!work_.wait_for(lock, std::chrono::seconds(2), is_wanted)) {
        lock.unlock();
        compiler_.Store();
        lock.lock();
        if (pause > 0) {
          work_.wait_for(lock, std::chrono::duration<double>(pause), is_wanted);
        } else {
          work_.wait(lock, is_wanted);
        }
      }
    }
    if (stopping_) break;
    if (!has_work()) continue;
    busy_ = true;
    KeepToBudget(lock);
    if (stopping_) break;
    priority.Restore();
    if (requests_.empty() && !cached_.empty()) {
      TakeNextCached(lock);
    } else if (!requests_.empty() || !likely_.empty()) {
      CompileNext(lock);
    }
  }
  lock.unlock();
  compiler_.Store();
}

}  // namespace kiln::agent
