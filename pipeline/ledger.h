// SPDX-License-Identifier: Apache-2.0
// The books of one way to an exporter: what came in, and what became of it, down to the last sample.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "pipeline/batch.h"

namespace kiln::pipeline {

// How much of something. Requests are batches on their way in and out of the queue, and requests of the exporter once
// they are sent: splitting makes more of them, so only items and weight add up from end to end.
struct Amount {
  int64_t requests = 0;
  int64_t items = 0;
  int64_t weight = 0;

  friend bool operator==(const Amount&, const Amount&) = default;
  Amount& operator+=(const Amount& other);
  Amount& operator-=(const Amount& other);
  friend Amount operator+(Amount a, const Amount& b) { return a += b; }
  friend Amount operator-(Amount a, const Amount& b) { return a -= b; }
};

inline Amount AmountOf(const Batch& batch) { return {.requests = 1, .items = batch.items, .weight = batch.weight}; }

// Why something that had been accepted was not delivered.
enum class DropReason : uint8_t {
  kQueueFull,       // the oldest of a full queue
  kRetryExhausted,  // retry_on_failure.max_elapsed_time was over, or retry is off
  kPermanent,       // the server said that it will never take it
  kRejected,        // partial success: the server took the rest
  kTooLarge,        // too large for the server even as a single item
  kMalformed,       // its bytes are not what they should be, seen when they had to be split
  kShutdown,        // still in memory when time was up
  kDiskFull,        // no room on the disk, and none left in the memory kept for that case
  kDiskError,       // the same for other errors of the disk; or it could not be read back
  kCorruptStorage,  // was in a file that turned out to be damaged
};
inline constexpr size_t kDropReasons = 10;
// "queue_full" …: the label in metrics.
std::string_view DropReasonName(DropReason reason);

// Why something was not accepted: it still belongs to who offered it.
enum class RefuseReason : uint8_t {
  kQueueFull,       // the queue is full and its overflow is kRefuse
  kTooLarge,        // would not fit into an empty queue
  kShutdown,        // the way is closed
  kRetryExhausted,  // without a queue: the exporter did not take it
};
inline constexpr size_t kRefuseReasons = 4;
std::string_view RefuseReasonName(RefuseReason reason);

// One moment of the books. Whenever nothing is under way, in items and in weight:
//   accepted + restored == delivered + sum of dropped + queued + in_flight
struct Ledger {
  Amount accepted;                           // by this run
  Amount restored;                           // found in the storage when this run began
  Amount delivered;                          // requests: those that the exporter sent
  std::array<Amount, kDropReasons> dropped;  // by DropReason
  Amount queued;                             // in the queue; after Shutdown: left in the storage for the next run
  Amount in_flight;                          // taken from the queue, not decided yet

  Amount redelivered;  // of restored: had been in flight when the last run died, so the server may have it twice
  std::array<Amount, kRefuseReasons> refused;

  const Amount& Dropped(DropReason reason) const { return dropped[static_cast<size_t>(reason)]; }
  Amount TotalDropped() const;
  bool Balanced() const;     // the equation above
  std::string Dump() const;  // for people and for failing tests: only what is not 0
};

// Keeps the books of one way and the metrics that go with them: kiln_pipeline_…{exporter, signal} in samples (weight)
// and requests, and the Collector's otelcol_exporter_… in items. The books begin at 0 with each object; metrics go on
// over reloads. Thread-safe; holds no lock while it calls anything but its counters.
class Accounts {
 public:
  // `registry` must outlive the object.
  Accounts(MetricRegistry& registry, const std::string& exporter_id, Signal signal);

  void Accept(const Amount& amount);
  void Restore(const Amount& amount);
  void Refuse(RefuseReason reason, const Amount& amount);
  // What the queue loses by itself.
  void DropQueued(DropReason reason, const Amount& amount);
  // From here to one of the next three it is in flight.
  void Take(const Amount& amount, bool redelivered);
  void Split(int64_t pieces);  // one request in flight became so many
  void Deliver(const Amount& amount);
  void DropInFlight(DropReason reason, const Amount& amount);
  void Return(const Amount& amount);  // back to the queue
  // At the end: stays in the storage.
  void Leave(const Amount& amount);
  // A damaged file was set aside.
  void SetAside() { set_aside_.Add(); }

  // All but `queued`, which the queue knows.
  Ledger Read() const;

 private:
  Accounts(MetricRegistry& registry, const std::string& exporter_id, Signal signal, const MetricLabels& labels);
  // A counter in samples and one in requests.
  struct Pair {
    Pair(MetricRegistry& registry, std::string_view stem, std::string_view help, const MetricLabels& labels);
    void Add(const Amount& amount) const;
    Counter* samples;
    Counter* requests;
  };
  void Drop(DropReason reason, const Amount& amount);

  mutable std::mutex mutex_;
  Ledger ledger_;  // guarded by mutex_
  Pair accepted_, restored_, delivered_, redelivered_, left_;
  std::vector<Pair> dropped_, refused_;
  Counter& sent_;
  Counter& send_failed_;
  Counter& enqueue_failed_;
  Counter& set_aside_;
};

}  // namespace kiln::pipeline
