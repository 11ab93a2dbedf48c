// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/process/jit_files.h"
#include "agent/process/mapping_table.h"
#include "base/file.h"
#include "base/ids.h"

namespace kiln::agent {

// Numbers the program images that were seen, in order; never reused.
struct ImageId {
  uint32_t value;
  friend constexpr auto operator<=>(const ImageId&, const ImageId&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const ImageId& id) {
    return H::combine(std::move(hash), id.value);
  }
};

namespace identity {
struct ProcessIdentity;  // agent/identity/identity.h
}

// One program running as one process: a fork makes a new one, an exec too. Owned by ProcessTable.
struct Process {
  ImageId id;
  Pid pid;
  Pid parent_pid;                // 0 = not known
  Pid namespaced_pid;            // 0 = not known
  uint64_t start_ns = 0;         // CLOCK_BOOTTIME; 0 = not known yet (no sample so far)
  uint32_t mount_namespace = 0;  // 0 = not known
  bool sampled = false;          // some sample refers to it
  bool born = false;             // it began under our eyes, by fork or exec
  bool execed = false;  // it, or a forebear it was forked from, began with an exec under our eyes: events told all
  // Shared between a process and the children it forked; copied before a change if others share it. nullptr = not
  // known.
  std::shared_ptr<MappingTable> mappings;
  uint64_t mappings_time_ns = 0;    // CLOCK_MONOTONIC of reading /proc/PID/maps; older events are in it already
  uint64_t next_read_ns = 0;        // not before this time may the maps be read again for an address that they lack
  uint64_t reread_interval_ns = 0;  // grows while reading again finds nothing
  uint32_t generation = 0;          // counts the times that the maps became other ones
  uint32_t code_generation = 0;     // counts the times that known code was replaced by other code
  uint64_t losses_seen = 0;         // of ProcessTable's losses of events, those that the maps were checked after
  bool leader_exited = false;       // the thread with the process's id has ended; others may go on
  std::optional<uint64_t> exit_time_ns;
  // Opened once code without a file was seen.
  JitFiles jit_files;
  uint64_t next_jit_files_ns = 0;  // not before this time are they looked for again
  // Who it is, for those who want to know; nullptr = nobody has asked.
  std::shared_ptr<const identity::ProcessIdentity> who;
};

// What a stack is to be looked at with: the mappings of its process as they were when it was taken.
struct ProcessMoment {
  Process& process;
  // nullptr: as they are now, and they may be read anew for an address that they lack.
  std::shared_ptr<const MappingTable> mappings;
  uint32_t generation;  // Process::generation at that time
};

}  // namespace kiln::agent
