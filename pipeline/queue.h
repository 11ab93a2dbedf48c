// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "pipeline/batch.h"
#include "pipeline/ledger.h"
#include "pipeline/settings.h"

namespace kiln::pipeline {

// Something that an operator should hear: once when it begins, once when it is over.
struct Notice {
  enum class Level : uint8_t { kInfo, kWarning, kError } level = Level::kInfo;
  std::string text;
};
// Called on any thread, with locks held: it must not call back into the pipeline.
using NoticeSink = std::function<void(const Notice&)>;

// How full a queue is. What was taken is not in it any more.
struct QueueState {
  Amount waiting;
  int64_t bytes = 0;      // of the waiting batches
  int64_t size = 0;       // in units of queue_size's sizer
  int64_t capacity = 0;   // likewise
  bool durable = false;   // what is in it outlives the process …
  bool degraded = false;  // … but the disk fails at the moment
};

// First in, first out. Keeps its own losses in the accounts that it was made with. Thread-safe.
class Queue {
 public:
  enum class PutResult : uint8_t { kTaken, kFull, kTooLarge };
  struct Item {
    uint64_t id = 0;
    BatchPtr batch;
    bool redelivered = false;  // was in flight when an earlier process died
  };

  virtual ~Queue() = default;
  // kTaken: it is in, and as safe as this queue makes it. kFull: not now (never with Overflow::kDropOldest, which drops
  // the oldest instead). kTooLarge: it would not fit into an empty queue.
  virtual PutResult Put(const BatchPtr& batch) = 0;
  // The oldest, if there is one that can be read now. Each is given out once, until Finish or Return.
  virtual std::optional<Item> Take() = 0;
  // The fate of what was taken is decided: forget it.
  virtual void Finish(const Item& item) = 0;
  // Keeps for the next run what is left of a taken item; `whole`: that is the batch itself, not pieces of it. False:
  // this queue can't, so it is still the caller's. From the first call on nothing is given out any more: what failed
  // just now would only fail again.
  virtual bool Return(const Item& item, std::span<const BatchPtr> left, bool whole) = 0;
  virtual QueueState state() const = 0;  // never waits for a disk
  // The end: what does not outlive the process is dropped as kShutdown, files are closed. Nothing but state() may be
  // called after it.
  virtual void Close() = 0;
};

// What a batch counts for in a queue's size.
inline int64_t SizeOf(Sizer sizer, const Amount& amount, int64_t bytes) {
  switch (sizer) {
    case Sizer::kRequests: return amount.requests;
    case Sizer::kItems: return amount.items;
    case Sizer::kBytes: return bytes;
  }
  return 0;
}

inline int64_t BytesOf(const Batch& batch) { return static_cast<int64_t>(batch.bytes.size()); }

}  // namespace kiln::pipeline
