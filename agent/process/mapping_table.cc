// SPDX-License-Identifier: Apache-2.0
#include "agent/process/mapping_table.h"

#include <algorithm>
#include <atomic>
#include <iterator>

namespace kiln::agent {
namespace {

// `mapping` without what lies before `start`.
Mapping TailFrom(Mapping mapping, ProcessAddress start) {
  if (mapping.is_file()) {
    mapping.offset = FileOffset(mapping.offset.value() + (start.value() - mapping.start.value()));
  }
  mapping.start = start;
  return mapping;
}

// True if the two put the same bytes of the same file at the same addresses.
bool SameCode(const Mapping& a, const Mapping& b) {
  return a.path == b.path && a.device == b.device && a.inode == b.inode &&
         (!a.is_file() || a.start.value() - a.offset.value() == b.start.value() - b.offset.value());
}

}  // namespace

uint64_t MappingTable::NextVersion() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

bool MappingTable::Replaces(const MappingTable& before) const {
  auto old = before.by_start_.begin();
  for (const auto& [start, mapping] : by_start_) {
    while (old != before.by_start_.end() && old->second.end <= start) ++old;
    for (auto overlap = old; overlap != before.by_start_.end() && overlap->first < mapping.end; ++overlap) {
      if (!SameCode(overlap->second, mapping)) return true;
    }
  }
  return false;
}

bool MappingTable::Insert(Mapping mapping) {
  if (mapping.end <= mapping.start) return false;
  version_ = NextVersion();
  bool replaced = false;
  auto next = by_start_.upper_bound(mapping.start);
  if (next != by_start_.begin() && std::prev(next)->second.end > mapping.start) --next;
  std::vector<Mapping> rests;
  while (next != by_start_.end() && next->first < mapping.end) {
    const Mapping& old = next->second;
    replaced = replaced || !SameCode(old, mapping);
    if (old.start < mapping.start) {
      rests.push_back(old);
      rests.back().end = mapping.start;
    }
    if (old.end > mapping.end) rests.push_back(TailFrom(old, mapping.end));
    next = by_start_.erase(next);
  }
  for (Mapping& rest : rests) by_start_.emplace(rest.start, std::move(rest));
  const ProcessAddress start = mapping.start;
  by_start_.emplace(start, std::move(mapping));
  return replaced;
}

const Mapping* MappingTable::Find(ProcessAddress address) const {
  auto next = by_start_.upper_bound(address);
  if (next == by_start_.begin()) return nullptr;
  const Mapping& mapping = std::prev(next)->second;
  return address < mapping.end ? &mapping : nullptr;
}

}  // namespace kiln::agent
