// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "agent/flush/profile_writer.h"
#include "agent/session/session.h"
#include "agent/symbols/line_indexes.h"

namespace kiln::agent {

// What a recording cost, for `--stats FILE` and scripts/bench. Seconds are CPU time of kiln's threads.
struct Costs {
  double elapsed_seconds = 0;
  double own_cpu_seconds = 0;  // of all threads while recording
  double table_seconds = 0;    // thereof the table worker's
  double name_seconds = 0;     // without the processes that make line indexes
  double encode_seconds = 0;
};

// A JSON object with everything that was counted and measured: counters of the BPF side, stop reasons, stages, ring
// bytes, map bytes, peak RSS. Keys are stable.
std::string RenderStatistics(Session& session, const Window& window, const Costs& costs, const NamingCounts& naming,
                             const LineIndexes::Status& indexes);

}  // namespace kiln::agent
