// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/generated_code.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "symbolizer/demangle.h"

namespace kiln::symbolizer {
namespace {

// Fewer names of gone code than this are not worth the work.
constexpr size_t kMinDropped = 256;
constexpr size_t kFileEntryBytes = 96;  // of the table of files, its text aside

}  // namespace

bool GeneratedCode::Add(uint64_t start, uint64_t size, std::string_view name, std::span<const Line> lines) {
  if (size == 0 || size > kMaxBytes || start > UINT64_MAX - size) return false;
  const uint32_t at = names_.Add(name);
  if (at == 0) return false;
  const uint64_t end = start + size;
  Cut(start, end);
  const auto add = [&](uint64_t from, uint64_t to, uint32_t file, uint32_t line) {
    if (from >= to) return;
    ranges_.emplace(from, Range{.size = static_cast<uint32_t>(to - from), .name = at, .file = file, .line = line});
  };
  uint64_t position = start;
  uint32_t file = 0;
  uint32_t line = 0;
  for (const Line& next : lines) {
    if (next.address >= end) break;
    if (next.address < position || (next.file == file && next.line == line)) continue;
    add(position, next.address, file, line);
    position = next.address;
    file = next.file;
    line = next.line;
  }
  add(position, end, file, line);
  if (dropped_ > std::max(kMinDropped, ranges_.size())) CompactNames();
  return true;
}

uint32_t GeneratedCode::AddFile(std::string_view name) {
  const auto [entry, added] = files_.try_emplace(std::string(name), 0);
  if (added) {
    entry->second = names_.Add(name);
    file_bytes_ += kFileEntryBytes + name.size();
  }
  return entry->second;
}

size_t GeneratedCode::Move(uint64_t from, uint64_t to, uint64_t size) {
  if (size == 0 || size > kMaxBytes || from > UINT64_MAX - size || to > UINT64_MAX - size || from == to) return 0;
  std::vector<std::pair<uint64_t, Range>> moved;
  auto next = ranges_.upper_bound(from);
  if (next != ranges_.begin() && std::prev(next)->first + std::prev(next)->second.size > from) --next;
  for (; next != ranges_.end() && next->first < from + size; ++next) {
    // Only the part that lies within.
    const uint64_t start = std::max(next->first, from);
    const uint64_t end = std::min(next->first + next->second.size, from + size);
    Range range = next->second;
    range.size = static_cast<uint32_t>(end - start);
    moved.emplace_back(start - from + to, range);
  }
  if (moved.empty()) return 0;
  const size_t dropped = dropped_;
  Cut(from, from + size);
  dropped_ = dropped;  // they are still there
  Cut(to, to + size);
  ranges_.insert(moved.begin(), moved.end());
  return moved.size();
}

void GeneratedCode::Cut(uint64_t start, uint64_t end) {
  auto next = ranges_.upper_bound(start);
  if (next != ranges_.begin() && std::prev(next)->first + std::prev(next)->second.size > start) --next;
  std::optional<std::pair<uint64_t, Range>> rest;  // of the last one, behind `end`
  while (next != ranges_.end() && next->first < end) {
    Range& range = next->second;
    const uint64_t range_end = next->first + range.size;
    if (range_end > end) {
      rest.emplace(end, range);
      rest->second.size = static_cast<uint32_t>(range_end - end);
    }
    if (next->first < start) {
      range.size = static_cast<uint32_t>(start - next->first);
      ++next;
    } else {
      ++dropped_;
      next = ranges_.erase(next);
    }
  }
  if (rest) ranges_.insert(*rest);
}

void GeneratedCode::CompactNames() {
  NamePool names;
  absl::flat_hash_map<uint32_t, uint32_t> moved;
  const auto move = [&](uint32_t& name) {
    if (name == 0) return;
    const auto [entry, added] = moved.try_emplace(name, 0);
    if (added) entry->second = names.Add(names_.At(name));
    name = entry->second;
  };
  for (auto& [start, range] : ranges_) {
    move(range.name);
    move(range.file);
  }
  names.ShrinkToFit();
  names_ = std::move(names);
  files_.clear();
  file_bytes_ = 0;
  dropped_ = 0;
}

void GeneratedCode::Clear() { *this = GeneratedCode(); }

Naming GeneratedCode::Lookup(ProcessAddress address) const {
  const auto after = ranges_.upper_bound(address.value());
  if (after == ranges_.begin()) return MissOf(Miss::kNotCovered);
  const auto& [start, range] = *std::prev(after);
  if (address.value() - start >= range.size) return MissOf(Miss::kNotCovered);
  const std::string_view name = names_.At(range.name);
  Naming naming;
  if (IsMangled(name)) {
    naming = NamingOf(name);
  } else {
    naming.lines.push_back({.name = std::string(name)});
  }
  naming.lines.front().file = names_.At(range.file);
  naming.lines.front().line = range.line;
  return naming;
}

}  // namespace kiln::symbolizer
