// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/status.h"

namespace kiln::agent {

// perf_event_open(2) for all processes on one CPU. The errno stays for the caller when the result is not valid.
UniqueFd OpenPerfEvent(perf_event_attr& attributes, int cpu);

// The mmapped ring of one perf event (man perf_event_open, "MMAP layout"). Thread-compatible.
class PerfRing {
 public:
  // With the first of `data_pages` (powers of two) that the kernel grants.
  static StatusOr<PerfRing> Map(UniqueFd event, std::initializer_list<size_t> data_pages);
  PerfRing(PerfRing&& other) noexcept;
  PerfRing& operator=(PerfRing&&) = delete;
  ~PerfRing();

  // Hands each complete record, header included, to `handle` and frees its room.
  void Consume(const std::function<void(std::span<const std::byte>)>& handle);

  int fd() const { return event_.get(); }

 private:
  PerfRing(UniqueFd event, void* memory, size_t data_bytes);

  UniqueFd event_;
  perf_event_mmap_page* control_;  // first page of the mapping; nullptr when moved from
  const std::byte* data_;
  size_t data_bytes_;
  std::vector<std::byte> joined_;  // a record that wraps around the end of the ring
};

}  // namespace kiln::agent
