// SPDX-License-Identifier: Apache-2.0
// What a page of a table says, for tests and for what unwinds in user space. Trusts the page no more than a file: reads
// stay inside, whatever it holds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "bpf/unwind_table.h"
#include "symbolizer/unwind/machine.h"

namespace kiln::symbolizer {

// The rule in force at `offset` (< 64 KiB) in the page, plain rows written out in full. nullopt if the page contradicts
// itself.
std::optional<kiln_rule> FindRow(const UnwindMachine& machine, std::span<const uint32_t> page, uint32_t offset);

// Calls `visit` with the offset in the page and the rule of each row, ascending. False if the page contradicts itself.
bool VisitRows(const UnwindMachine& machine, std::span<const uint32_t> page,
               const std::function<void(uint32_t, const kiln_rule&)>& visit);

}  // namespace kiln::symbolizer
