// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "agent/cli/symbolize_options.h"
#include "agent/symbolize/address_namer.h"
#include "base/status.h"

namespace kiln::agent {

// Names addresses of the process options.pid and of the kernel: by the memory map of now, each file as the process sees
// it, perf maps and jitdumps for what is in no file; /proc/kallsyms, and debug files of the kernel and its modules, for
// the upper half. Waits for line indexes of those. Errors are ReadProcessFacts'.
StatusOr<std::unique_ptr<AddressNamer>> OpenProcessNamer(const SymbolizeOptions& options);

}  // namespace kiln::agent
