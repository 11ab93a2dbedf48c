// SPDX-License-Identifier: Apache-2.0
// A frame's registers as numbers, so that two ways to say how they are found can be compared by what comes out: both
// are worked out with the same made-up registers and memory.
#pragma once

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "bpf/unwind_table.h"
#include "symbolizer/unwind/machine.h"

namespace kiln::symbolizer::check {

// Any register and any word of memory has a value of its own, which depends on the seed.
struct MadeUpThread {
  uint64_t seed;
  ElfAddress program_counter;
  const UnwindMachine* machine;

  uint64_t Register(uint64_t dwarf_register) const;
  uint64_t Memory(uint64_t address) const;
};

// The caller's registers.
struct FrameValues {
  bool no_caller = false;
  // nullopt: not to be had.
  std::optional<uint64_t> sp;
  std::optional<uint64_t> fp;
  std::optional<uint64_t> ra;
  std::optional<uint64_t> tracked;
};

// What `rule` (not a special one) makes of `thread`. `tracked` is a number of bpf/registers.h or KILN_NO_REGISTER.
FrameValues ApplyRule(const kiln_rule& rule, uint8_t tracked, const MadeUpThread& thread);

}  // namespace kiln::symbolizer::check
