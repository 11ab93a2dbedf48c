// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/doctor/checks.h"

namespace kiln::agent {

// Bits of <linux/capability.h>: the eight that kiln wants, and what stands for some of them.
enum class Capability : int {
  kDacOverride = 1,
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

// Whether this process has it in effect; CAP_SYS_ADMIN stands for BPF, PERFMON, SYSLOG and CHECKPOINT_RESTORE too, and
// CAP_DAC_OVERRIDE for DAC_READ_SEARCH. False if /proc/self/status cannot be read.
bool HasCapability(System& system, Capability capability);

// One of the eight that this process lacks.
struct MissingCapability {
  std::string_view name;  // "cap_syslog"
  Health health;          // kFailed: nothing can be recorded; kLimited: something lacks; kOk: nothing, on this machine
  std::string sentence;   // "without cap_syslog kernel functions have no names"
};
// In the order in which they should be mended.
std::vector<MissingCapability> MissingCapabilities(System& system);

// What is to be said before recording.
struct PrivilegeReport {
  Status status;                      // kPermissionDenied: recording can't work; why, and how to mend it
  std::vector<std::string> warnings;  // it works with less: a sentence for each capability and how to give it
  std::vector<std::string> remarks;   // likewise for those without consequence here
};
PrivilegeReport ReportPrivileges(System& system);

// (5, 10) of "5.10.0-32-cloud-amd64"; (0, 0) if it can't be read.
std::pair<int, int> KernelVersion(System& system);

// The number in a file of /proc/sys; nullopt if there is none.
std::optional<long> ReadNumber(System& system, const std::string& path);

Finding CheckCapabilities(System& system);
Finding CheckUserNamespace(System& system);
Finding CheckSeccomp(System& system);
Finding CheckMemlock(System& system);
Finding CheckPidNamespace(System& system);
Finding CheckKernelAddresses(System& system);

}  // namespace kiln::agent
