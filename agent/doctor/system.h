// SPDX-License-Identifier: Apache-2.0
// What the checks ask of the machine, so that tests can be any machine.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace kiln::agent {

enum class PerfEvent { kCpuClock, kCycles };

// Each probe makes the thing and drops it at once; nothing stays behind. Errno values are those of the system call,
// 0 = it works.
class System {
 public:
  virtual ~System() = default;

  // A small file of /proc or /sys, without trailing white space.
  virtual StatusOr<std::string> ReadText(const std::string& path) = 0;
  // True if the file can be opened for reading.
  virtual bool CanRead(const std::string& path) = 0;
  virtual StatusOr<std::string> ReadLink(const std::string& path) = 0;
  // True if the kernel's BTF holds a type or function of this name. Reads the whole BTF (about 5 MB) once.
  virtual bool BtfHasName(const std::string& name) = 0;

  virtual std::string KernelRelease() = 0;  // as uname -r
  virtual std::string Architecture() = 0;   // as uname -m
  virtual std::string ProgramPath() = 0;    // of this program, for the commands that mend

  virtual int ProbeRingBuffer() = 0;                // BPF_MAP_TYPE_RINGBUF of one page
  virtual int ProbeMapOfMaps() = 0;                 // BPF_MAP_TYPE_ARRAY_OF_MAPS around a one-entry array
  virtual int ProbeBpfProgram() = 0;                // loads a perf_event program that returns 0
  virtual int ProbePerfEvent(PerfEvent event) = 0;  // on CPU 0, all processes

  virtual uint64_t MemlockLimitBytes() = 0;  // RLIMIT_MEMLOCK, soft; UINT64_MAX = none
};

}  // namespace kiln::agent
