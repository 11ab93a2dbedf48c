// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace kiln::agent {

// Waits until all BPF programs that run now have ended: an RCU grace period, up to 100 ms. That needs no CPU time, but
// a thread of its own, since pages are to be made meanwhile. Thread-safe.
class ReaderWait {
 public:
  // `done` is called on that thread after each wait, and must not call back.
  explicit ReaderWait(std::function<void()> done);
  // Lets a wait that is under way end.
  ~ReaderWait();

  // Begins a wait. One more begins behind the one that is under way, if there is one.
  void Begin();
  // Blocks until no wait is under way.
  void Finish();

 private:
  void Run();

  const std::function<void()> done_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = false;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kiln::agent
