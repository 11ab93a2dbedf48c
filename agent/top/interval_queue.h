// SPDX-License-Identifier: Apache-2.0
// The way of an interval from the collector's thread by the worker, which names it, to the thread that shows it.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "agent/flush/window_worker.h"
#include "agent/session/session.h"
#include "agent/top/interval.h"
#include "base/fd.h"

namespace kiln::agent {

// Thread-safe.
class IntervalQueue {
 public:
  static StatusOr<std::unique_ptr<IntervalQueue>> Make();

  void Put(TopInterval interval);
  std::optional<TopInterval> Take();  // the oldest
  bool empty() const;
  // Readable while there is something to take (eventfd).
  int fd() const { return fd_.get(); }

 private:
  explicit IntervalQueue(UniqueFd fd) : fd_(std::move(fd)) {}

  const UniqueFd fd_;
  mutable std::mutex mutex_;
  std::deque<TopInterval> intervals_;  // under mutex_
};

// Names windows on a thread of its own and queues them as intervals. While one waits to be shown, the window under way
// goes on: whoever reads slowly gets fewer and longer intervals, and no sample is lost.
class IntervalMaker : public WindowSink {
 public:
  explicit IntervalMaker(IntervalQueue& queue, std::shared_ptr<LineIndexes> indexes = nullptr);

  bool IsReady() override { return queue_.empty() && worker_.IsReady(); }
  void OnWindow(std::unique_ptr<Window> window) override { worker_.OnWindow(std::move(window)); }
  // As of WindowWorker.
  void Finish() { worker_.Finish(); }

 private:
  IntervalQueue& queue_;
  WindowWorker worker_;
};

}  // namespace kiln::agent
