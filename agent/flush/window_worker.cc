// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/window_worker.h"

#include <malloc.h>

#include "base/clock.h"

namespace kiln::agent {

WindowWorker::WindowWorker(Handler handler, size_t cache_bytes, std::shared_ptr<LineIndexes> indexes)
    : handler_(std::move(handler)),
      namer_(cache_bytes),
      cache_bytes_(cache_bytes),
      indexes_(std::move(indexes)),
      thread_([this] { Run(); }) {}

WindowWorker::~WindowWorker() { Finish(); }

void WindowWorker::SetIndexes(std::shared_ptr<LineIndexes> indexes) {
  const std::lock_guard lock(mutex_);
  indexes_ = std::move(indexes);
}

bool WindowWorker::IsReady() {
  const std::lock_guard lock(mutex_);
  return waiting_ == nullptr;
}

void WindowWorker::OnWindow(std::unique_ptr<Window> window) {
  std::unique_lock lock(mutex_);
  // Only the last window of a session comes unasked.
  changed_.wait(lock, [this] { return waiting_ == nullptr; });
  waiting_ = std::move(window);
  changed_.notify_all();
}

void WindowWorker::Finish() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void WindowWorker::Run() {
  for (;;) {
    std::unique_ptr<Window> window;
    std::shared_ptr<LineIndexes> indexes;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return waiting_ != nullptr || finishing_; });
      if (waiting_ == nullptr) return;
      window = std::move(waiting_);
      indexes = indexes_;
    }
    changed_.notify_all();
    namer_.SetCacheBytes(cache_bytes_.load(std::memory_order_relaxed));
    namer_.SetIndexes(indexes.get());
    handler_(*window, namer_);
    namer_.SetIndexes(nullptr);
    window.reset();
    // What a window needed is many small pieces: without this they would stay the process's.
    ::malloc_trim(0);
    cached_bytes_.store(namer_.memory_bytes() + namer_.kernel_symbol_bytes(), std::memory_order_relaxed);
    cpu_seconds_.store(ThreadCpuSeconds(), std::memory_order_relaxed);
  }
}

}  // namespace kiln::agent
