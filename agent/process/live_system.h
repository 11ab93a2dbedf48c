// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/collect/collector.h"
#include "agent/process/process_table.h"

namespace kiln::agent {

// ProcessSystem on the real /proc, with a Collector's knowledge of events that are still to be delivered. Used on the
// collector's thread.
class LiveProcessSystem : public ProcessSystem {
 public:
  // Without a collector (before one exists) no exec is known to follow.
  void SetCollector(Collector* collector) { collector_ = collector; }
  StatusOr<std::vector<Mapping>> ReadMaps(Pid pid) override;
  bool IsAlive(Pid pid, uint64_t start_ns) override;
  uint64_t MonotonicNs() override;
  bool ExecFollows(Pid pid, uint64_t time_ns) override;

 private:
  Collector* collector_ = nullptr;
};

}  // namespace kiln::agent
