// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "agent/unwind/table_memory.h"
#include "base/ids.h"
#include "base/status.h"
#include "bpf/unwind_table.h"

namespace kiln::agent {

// The kernel side as the unwinder sees it: the table memory that its walk reads, and what leads there. An interface, so
// that tests can play the kernel. Thread-compatible.
class KernelTables : public ChunkSource {
 public:
  // What leads from `pid` to its code from now on: a struct kiln_process in table memory. Replaces what was told
  // before. kResourceExhausted if KILN_MAX_PROCESSES are known; then what was told before stays.
  virtual Status SetProcess(Pid pid, kiln_ref process) = 0;
  // Takes that back. Nothing happens if there is none.
  virtual void RemoveProcess(Pid pid) = 0;
  // What the walk notes from now on in the pages that it uses (kiln_page.last_used).
  virtual void SetEpoch(uint32_t epoch) = 0;
  // Walks that begin from now on use nothing that they remember of table memory. To be called when memory is out of
  // reach and before its readers are waited for: it is not free until both have happened.
  virtual void Forget() = 0;
};

}  // namespace kiln::agent
