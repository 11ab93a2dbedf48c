// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "agent/doctor/checks.h"

namespace kiln::agent {

// Bits of <linux/capability.h>.
enum class Capability : int {
  kDacReadSearch = 2,
  kIpcLock = 14,
  kSysPtrace = 19,
  kSysAdmin = 21,
  kSysResource = 24,
  kSyslog = 34,
  kPerfmon = 38,
  kBpf = 39,
  kCheckpointRestore = 40,
};

// Whether this process has it in effect; CAP_SYS_ADMIN stands for BPF, PERFMON, SYSLOG and CHECKPOINT_RESTORE too.
// False if /proc/self/status cannot be read.
bool HasCapability(System& system, Capability capability);

// (5, 10) of "5.10.0-32-cloud-amd64"; (0, 0) if it can't be read.
std::pair<int, int> KernelVersion(System& system);

// The number in a file of /proc/sys; nullopt if there is none.
std::optional<long> ReadNumber(System& system, const std::string& path);

Finding CheckCapabilities(System& system);
Finding CheckSeccomp(System& system);
Finding CheckMemlock(System& system);
Finding CheckPidNamespace(System& system);
Finding CheckKernelAddresses(System& system);

}  // namespace kiln::agent
