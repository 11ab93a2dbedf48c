// SPDX-License-Identifier: Apache-2.0
// CIEs by their offset. Linkers merge equal ones in .eh_frame, so that a file has a few; .debug_frame has one per
// object file.
#pragma once

#include <array>
#include <cstdint>

#include "symbolizer/unwind/cfi_section.h"
#include "symbolizer/unwind/unwind_issues.h"

namespace kiln::symbolizer {

// Thread-compatible. Refers to the section.
class CieCache {
 public:
  explicit CieCache(const CfiSection& section) : section_(section) {}

  // nullptr counts why. Valid until the next call.
  const Cie* Get(uint64_t offset, UnwindCounts& counts) {
    Slot& slot = slots_[offset / 4 % slots_.size()];
    if (slot.offset != offset) {
      slot.offset = offset;
      slot.cie.reset();
      const std::optional<CfiEntry> entry = section_.EntryAt(offset);
      slot.missing = !entry || !entry->is_cie;
      if (!slot.missing) slot.cie = section_.ReadCie(*entry, counts);
    }
    if (slot.missing) counts.Count(UnwindIssue::kCieMissing);
    return slot.cie ? &*slot.cie : nullptr;
  }

 private:
  struct Slot {
    uint64_t offset = ~uint64_t{0};
    bool missing = false;
    std::optional<Cie> cie;
  };
  const CfiSection& section_;
  std::array<Slot, 64> slots_;
};

}  // namespace kiln::symbolizer
