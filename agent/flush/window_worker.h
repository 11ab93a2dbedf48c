// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "agent/flush/namer.h"
#include "agent/session/session.h"

namespace kiln::agent {

// Works off the windows of a session on a thread of its own, so that the collector goes on meanwhile. One window waits
// at most while another one is worked on; until there is room the session's window goes on, so none is lost.
class WindowWorker : public WindowSink {
 public:
  // Names, writes, sends. Called on the worker's thread, for each window in turn; windows without samples too.
  using Handler = std::function<void(const Window& window, Namer& namer)>;

  // Without `indexes` (nullptr) names alone.
  WindowWorker(Handler handler, size_t cache_bytes = Namer::kDefaultCacheBytes,
               std::shared_ptr<LineIndexes> indexes = nullptr);
  // Works off what waits.
  ~WindowWorker() override;

  bool IsReady() override;
  void OnWindow(std::unique_ptr<Window> window) override;

  // Works off what waits, ends the thread. Idempotent. The session must have been stopped.
  void Finish();

  // Thread-safe: caches are emptied after the window under way and stay small (or may grow again).
  void SetCacheBytes(size_t bytes) { cache_bytes_.store(bytes, std::memory_order_relaxed); }
  // Thread-safe: others from the next window on.
  void SetIndexes(std::shared_ptr<LineIndexes> indexes);
  // Of the thread, thread-safe.
  double cpu_seconds() const { return cpu_seconds_.load(std::memory_order_relaxed); }
  size_t cached_bytes() const { return cached_bytes_.load(std::memory_order_relaxed); }

 private:
  void Run();

  const Handler handler_;
  Namer namer_;
  std::atomic<size_t> cache_bytes_;
  std::atomic<double> cpu_seconds_ = 0;
  std::atomic<size_t> cached_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<Window> waiting_;       // under mutex_
  bool finishing_ = false;                // under mutex_
  std::shared_ptr<LineIndexes> indexes_;  // under mutex_
  std::thread thread_;
};

}  // namespace kiln::agent
