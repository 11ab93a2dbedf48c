// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/derive_tables.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace kiln::symbolizer {

std::vector<std::pair<uint32_t, uint32_t>> ReadJumpTables(const ElfFile& elf, const CodeSweep& sweep,
                                                          ElfAddress begin) {
  std::vector<uint64_t> tables;
  for (const CodeTable& table : sweep.tables) tables.push_back(table.table.value());
  std::ranges::sort(tables);

  std::vector<std::pair<uint32_t, uint32_t>> targets;
  std::array<std::byte, kMaxTableEntries * sizeof(uint64_t)> bytes;
  for (const CodeTable& table : sweep.tables) {
    const uint64_t entry_bytes = table.is_absolute ? sizeof(uint64_t) : sizeof(int32_t);
    uint64_t size = std::min(elf.BytesFrom(table.table), kMaxTableEntries * entry_bytes);
    const auto next = std::ranges::upper_bound(tables, table.table.value());
    if (next != tables.end()) size = std::min(size, *next - table.table.value());
    if (!elf.ReadAddress(table.table, std::span(bytes).first(size)).ok()) continue;
    for (uint64_t at = 0; at + entry_bytes <= size; at += entry_bytes) {
      uint64_t target = 0;
      if (table.is_absolute) {
        std::memcpy(&target, &bytes[at], sizeof(target));
      } else {
        int32_t distance = 0;
        std::memcpy(&distance, &bytes[at], sizeof(distance));
        target = table.base.value() + static_cast<uint64_t>(static_cast<int64_t>(distance));
      }
      const uint64_t offset = target - begin.value();
      const uint64_t reach = offset > table.jump ? offset - table.jump : table.jump - offset;
      if (offset >= sweep.size || reach > kMaxTableReach || !sweep.starts[offset]) break;
      if (targets.size() >= kMaxTableTargets) break;
      targets.emplace_back(static_cast<uint32_t>(offset), table.jump);
    }
  }
  std::ranges::sort(targets);
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  return targets;
}

}  // namespace kiln::symbolizer
