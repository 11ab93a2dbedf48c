// SPDX-License-Identifier: Apache-2.0
#include "agent/session/session.h"

namespace kiln::agent {

void SessionStatus::AddCountsOf(const SessionStatus& before) {
  const auto add = [this, &before](auto SessionStatus::*part, auto... members) {
    ((this->*part.*members += before.*part.*members), ...);
  };
  samples += before.samples;
  complete += before.complete;
  lost += before.lost;
  unwanted += before.unwanted;
  own += before.own;
  windows += before.windows;
  for (size_t i = 0; i < counters.size(); ++i) counters[i] += before.counters[i];
  using Decode = SampleDecoder::Counts;
  add(&SessionStatus::decode, &Decode::malformed, &Decode::unknown_identity, &Decode::stacks);
  using Processes = ProcessTable::Counts;
  add(&SessionStatus::process_counts, &Processes::maps_read, &Processes::maps_unknown, &Processes::side_band_lost);
  using Unwind = Unwinder::Counts;
  add(&SessionStatus::unwind, &Unwind::copied, &Unwind::walked, &Unwind::waited, &Unwind::not_awaited,
      &Unwind::replaced, &Unwind::processes, &Unwind::processes_full, &Unwind::derived_samples);
  using Tables = UnwindTables::Counts;
  add(&SessionStatus::tables, &Tables::evicted_pages, &Tables::refused_pages);
  using Compiler = TableCompiler::Counts;
  add(&SessionStatus::compiler, &Compiler::tables, &Compiler::failed_tables, &Compiler::debug_files, &Compiler::pages,
      &Compiler::cached_pages, &Compiler::failed_pages, &Compiler::rows, &Compiler::bytes, &Compiler::cpu_seconds);
}

}  // namespace kiln::agent
