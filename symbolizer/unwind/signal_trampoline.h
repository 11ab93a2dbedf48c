// SPDX-License-Identifier: Apache-2.0
// The code that a signal handler returns to (__restore_rt): it calls rt_sigreturn and nothing else, so its bytes are
// the same in all C libraries. musl has no unwind information for it, and that of the arm64 vDSO leads to the link
// register of the interrupted code instead of its program counter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "symbolizer/unwind/machine.h"

namespace kiln::symbolizer {

struct SignalTrampoline {
  size_t offset;  // in the code that was searched
  size_t size;    // bytes
};

// The first one in `code`; nullopt if there is none.
std::optional<SignalTrampoline> FindSignalTrampoline(const UnwindMachine& machine, std::span<const std::byte> code);

}  // namespace kiln::symbolizer
