// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/status.h"

struct bpf_map;

namespace kiln::agent {

// The chunks of table memory that user space fills and the walk reads (bpf/unwind_table.h). Thread-compatible.
class TableChunks {
 public:
  TableChunks() = default;
  TableChunks(const TableChunks&) = delete;
  // Lets what is being entered be entered. `tables` must still be there.
  ~TableChunks();

  // Chunk number `index`: zeroed, and mapped until this object dies. It is entered into the map of maps `tables` on a
  // thread of its own, since the kernel returns from that only after a grace period (maybe_wait_bpf_programs,
  // kernel/bpf/syscall.c), 7 to 20 ms. A walk that comes too early finds no table. Where entering has failed, the next
  // call says so.
  StatusOr<std::span<std::byte>> Add(bpf_map* tables, uint32_t index);

  // Waits until all have been entered.
  void AwaitEntered();

  const std::vector<UniqueFd>& maps() const { return maps_; }

 private:
  // Drops what has been entered. Says so if that has failed.
  Status TakeEntered();

  std::vector<UniqueFd> maps_;
  std::vector<void*> memory_;
  std::vector<std::future<int>> entering_;  // each gives an error number, 0 = entered
};

}  // namespace kiln::agent
