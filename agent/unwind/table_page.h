// SPDX-License-Identifier: Apache-2.0
// What can be said of a struct kiln_page (bpf/unwind_table.h) by looking at its words alone.
#pragma once

#include <elf.h>

#include <cstdint>
#include <span>

#include "base/status.h"

namespace kiln::agent {

#if defined(__x86_64__)
inline constexpr uint16_t kHostMachine = EM_X86_64;
#elif defined(__aarch64__)
inline constexpr uint16_t kHostMachine = EM_AARCH64;
#endif

// Of a page that has one row and no rule, and of one that fills its value.
inline constexpr uint32_t kMinPageWords = 134;
inline constexpr uint32_t kMaxPageWords = 16384;

// OK if the page keeps every rule of unwind_table.h that a reader of it relies on: a look-up of any address of the page
// then stays inside `words`, ends, and finds a rule of known kinds whose registers `machine` (EM_*) has. The other
// errors are kDataLoss and say what is wrong; kUnimplemented for another machine. Whether the rules are true of the
// code is not to be seen here: a walk must bear rules that lead in circles.
Status ValidatePage(std::span<const uint32_t> words, uint16_t machine = kHostMachine);

struct PageCounts {
  uint64_t rows = 0;
  uint64_t derived = 0;        // rows whose rule comes from the instructions
  uint64_t inexpressible = 0;  // rows KILN_SPECIAL_INEXPRESSIBLE
};
// Of a page that ValidatePage found right for `machine`.
PageCounts CountRows(std::span<const uint32_t> words, uint16_t machine = kHostMachine);

}  // namespace kiln::agent
