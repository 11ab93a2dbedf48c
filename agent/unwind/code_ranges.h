// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "agent/process/mapping_table.h"
#include "bpf/unwind_table.h"

namespace kiln::agent {

// The code ranges of a process, ascending, not overlapping: what `range_of` says of each mapping, whose start and end
// are set. Ranges of generated code that touch become one. Mappings above 2^63 (x86-64's [vsyscall]) are left out: the
// walk looks up no addresses there, and its bisect relies on there being no ranges either.
std::vector<kiln_code_range> MakeCodeRanges(const MappingTable& mappings,
                                            absl::FunctionRef<kiln_code_range(const Mapping&)> range_of);

// The range that holds `address`; nullptr if none does.
const kiln_code_range* FindCodeRange(std::span<const kiln_code_range> ranges, uint64_t address);

// An array of ranges as the walk takes it.
struct RangesRef {
  kiln_ref ref = 0;
  uint32_t count = 0;
};

// Writes `ranges` where the walk reads them: as one array, or above KILN_MAX_RANGES as several below an index.
// `allocate` gives zeroed memory for so many bytes and the reference to it. nullopt if it gave none, or for more ranges
// than an index has room for (4 million; vm.max_map_count is 65530 unless raised); what was allocated until then stays
// so.
using RangeMemory = std::pair<kiln_ref, std::byte*>;
std::optional<RangesRef> LayOutRanges(std::span<const kiln_code_range> ranges,
                                      absl::FunctionRef<std::optional<RangeMemory>(size_t bytes)> allocate);

}  // namespace kiln::agent
