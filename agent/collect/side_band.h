// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <vector>

#include "agent/collect/perf_ring.h"
#include "agent/collect/side_band_event.h"
#include "base/status.h"

namespace kiln::agent {

// Follows all processes of the host through perf side-band records: one dummy event with a ring per CPU.
// Thread-compatible.
class SideBand {
 public:
  // Fails where perf events may not be opened.
  static StatusOr<SideBand> Open(const std::vector<int>& cpus);

  // Opens rings for CPUs that came and gives up those that went (their last records are kept for the next Drain).
  void UpdateCpus(const std::vector<int>& cpus);

  // Appends all records that are there, per CPU in their order.
  void Drain(std::vector<SideBandEvent>& out);

  // CPUs without a ring (it could not be opened): processes that start there are learnt late.
  size_t missing_rings() const { return missing_rings_; }

 private:
  SideBand() = default;
  Status OpenRing(int cpu);

  std::map<int, PerfRing> rings_;  // by CPU
  std::vector<SideBandEvent> left_;
  size_t missing_rings_ = 0;
};

}  // namespace kiln::agent
