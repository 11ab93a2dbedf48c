// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/reader_wait.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace kiln::agent {
namespace {

void AwaitGracePeriod() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return;
  // Refused on kernels with nohz_full. A walk takes microseconds, and runs with interrupts off on most kernels.
  ::usleep(200'000);
}

}  // namespace

ReaderWait::ReaderWait(std::function<void()> done) : done_(std::move(done)), thread_([this] { Run(); }) {}

ReaderWait::~ReaderWait() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ReaderWait::Begin() {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
  }
  changed_.notify_all();
}

void ReaderWait::Finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !wanted_ && !busy_; });
}

void ReaderWait::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return wanted_ || stopping_; });
    if (stopping_) return;
    wanted_ = false;
    busy_ = true;
    lock.unlock();
    AwaitGracePeriod();
    done_();
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace kiln::agent
