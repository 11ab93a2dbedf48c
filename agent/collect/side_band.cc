// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/side_band.h"

#include <algorithm>

#include "agent/collect/side_band_decode.h"

namespace kiln::agent {
namespace {

// 512 KiB: about 4,000 mmap records, or a hundred starting processes, between two drains on one CPU.
constexpr size_t kDataPages = 128;
constexpr size_t kSmallDataPages = 16;  // where RLIMIT_MEMLOCK and perf_event_mlock_kb allow no more

// Build ids in mmap records (attr.build_id, 5.12+) are not asked for, though they would be handy. The kernel sets
// PERF_RECORD_MISC_MMAP_BUILD_ID in a record that it then hands to every listener on the CPU, without taking the flag
// back (perf_event_mmap_output), so those who did not ask read device and inode as a build id: a perf record that runs
// at the same time crashes. Device and inode name the file as well, its build id is read from the file.
perf_event_attr SideBandAttributes() {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_DUMMY;
  attributes.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU;
  attributes.sample_id_all = 1;
  attributes.mmap = 1;
  attributes.mmap2 = 1;
  attributes.comm = 1;
  attributes.comm_exec = 1;
  attributes.task = 1;
  attributes.ksymbol = 1;
  attributes.use_clockid = 1;
  attributes.clockid = CLOCK_MONOTONIC;  // as the samples
  attributes.watermark = 1;
  attributes.wakeup_watermark = UINT32_MAX;  // drained on a timer
  return attributes;
}

}  // namespace

StatusOr<SideBand> SideBand::Open(const std::vector<int>& cpus) {
  SideBand side_band;
  for (const int cpu : cpus) KILN_RETURN_IF_ERROR(side_band.OpenRing(cpu));
  return side_band;
}

Status SideBand::OpenRing(int cpu) {
  perf_event_attr attributes = SideBandAttributes();
  UniqueFd event = OpenPerfEvent(attributes, cpu);
  if (!event.valid()) return ErrnoError(errno, "cannot open a perf event for process events on CPU {}", cpu);
  KILN_ASSIGN_OR_RETURN(PerfRing ring, PerfRing::Map(std::move(event), {kDataPages, kSmallDataPages}));
  rings_.emplace(cpu, std::move(ring));
  return absl::OkStatus();
}

void SideBand::UpdateCpus(const std::vector<int>& cpus) {
  for (auto ring = rings_.begin(); ring != rings_.end();) {
    if (std::ranges::find(cpus, ring->first) != cpus.end()) {
      ++ring;
      continue;
    }
    ring->second.Consume([this](std::span<const std::byte> record) {
      if (auto event = DecodeSideBandRecord(record)) left_.push_back(*std::move(event));
    });
    ring = rings_.erase(ring);
  }
  missing_rings_ = 0;
  for (const int cpu : cpus) {
    if (!rings_.contains(cpu) && !OpenRing(cpu).ok()) ++missing_rings_;
  }
}

void SideBand::Drain(std::vector<SideBandEvent>& out) {
  std::ranges::move(left_, std::back_inserter(out));
  left_.clear();
  for (auto& [cpu, ring] : rings_) {
    ring.Consume([&out](std::span<const std::byte> record) {
      if (auto event = DecodeSideBandRecord(record)) out.push_back(*std::move(event));
    });
  }
}

}  // namespace kiln::agent
