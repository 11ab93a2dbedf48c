// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "agent/govern/governor.h"

namespace kiln::agent {

// What this process has used so far; `bpf_ns` is added, what its BPF programs took (KILN_COUNTER_RUN_NS). Memory is
// what is resident without the pages of BPF maps that are mapped here: those count as the kernel's (service.limits'
// bpf_memory_mib).
ResourceUse ReadResourceUse(uint64_t bpf_ns);

}  // namespace kiln::agent
