// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_set.h>

#include <memory>
#include <utility>
#include <vector>

#include "agent/collect/decode.h"
#include "agent/collect/raw_sample.h"
#include "agent/collect/sampler.h"
#include "agent/collect/side_band.h"
#include "agent/collect/side_band_event.h"
#include "base/fd.h"
#include "base/status.h"

namespace kiln::agent {

// Receives samples and process events of the whole host in the order of their time.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void OnSample(const RawSample& sample) = 0;
  virtual void OnSideBand(const SideBandEvent& event) = 0;
  // After all that one drain brought.
  virtual void OnBatchEnd() {}
};

// Stages 1 and 2 of the way of the data: the sampler and the side band, brought into one order.
//
// Both come in rings per CPU and are drained every 100 ms. A record is handed on once no older one can come any more:
// records are stamped before they are written, so after noting the time, draining everything and allowing for the
// writers under way (kSettleTime), all that is older is there. The rest waits for the next drain.
//
// Thread-compatible; all calls but Wake on one thread.
class Collector {
 public:
  // Takes in process events from now on, but no samples yet.
  static StatusOr<std::unique_ptr<Collector>> Open(Sampler sampler);
  Status StartSampling();

  // Waits until the next drain is due (100 ms, or 2 ms if copied stacks are to be delivered), a ring runs half full or
  // Wake is called; then drains and delivers.
  Status Poll(EventSink& sink);
  // Stops sampling and delivers everything that is left.
  void Finish(EventSink& sink);
  // Samples with another frequency (0 = not at all) from now on. All samples of the old one are delivered before it
  // returns; a CPU may lose one sample.
  Status ChangeFrequency(int frequency_hz, EventSink& sink);
  // All that was taken before this time (CLOCK_MONOTONIC) has been delivered.
  uint64_t delivered_until_ns() const { return delivered_until_ns_; }
  // Drops what is kept of threads that no sample to come, and nothing of `in_use`, refers to.
  void ForgetIdentities(absl::flat_hash_set<const ThreadIdentity*> in_use);
  // Makes a Poll under way on another thread return soon. Thread-safe.
  void Wake();

  // True if `pid` is known to run another program since `time_ns`. For use inside a delivery: looks at what waits to be
  // delivered and at what came in meanwhile.
  bool ExecFollows(Pid pid, uint64_t time_ns);

  Sampler& sampler() { return sampler_; }
  const SampleDecoder::Counts& decode_counts() const { return decoder_.counts(); }
  uint64_t ring_bytes_read() const { return ring_bytes_; }
  // CPU time of the deliveries, spent by the sink; the rest of the thread's time is spent here.
  double deliver_seconds() const { return deliver_seconds_; }
  // How often a CPU came, went or had to be taken up again since the start.
  int cpu_changes() const { return cpu_changes_; }
  // Online CPUs from which no process events come.
  size_t cpus_without_side_band() const { return side_band_.missing_rings(); }

 private:
  Collector(Sampler sampler, SideBand side_band, std::vector<int> cpus, UniqueFd epoll, UniqueFd wake);
  Status FollowCpus();
  void Drain();
  void Deliver(EventSink& sink, uint64_t horizon_ns);

  Sampler sampler_;
  SideBand side_band_;
  std::vector<int> cpus_;  // that are sampled
  uint64_t next_cpu_check_ns_ = 0;
  UniqueFd epoll_;
  UniqueFd wake_;
  SampleDecoder decoder_;
  SampleBatch samples_;
  SampleBatch later_samples_;
  std::vector<std::pair<uint64_t, size_t>> order_;  // time and place in samples_, of the delivery under way
  std::vector<SideBandEvent> events_;
  uint64_t delivered_until_ns_ = 0;
  uint64_t ring_bytes_ = 0;
  int cpu_changes_ = 0;
  double deliver_seconds_ = 0;
};

}  // namespace kiln::agent
