// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/fde_index.h"

#include <algorithm>
#include <tuple>

#include "symbolizer/unwind/cie_cache.h"

namespace kiln::symbolizer {
namespace {

constexpr uint8_t kHeaderVersion = 1;
// The only encoding that linkers use, since others can't be searched.
constexpr uint8_t kSearchableTable = kPointerDataRelative | kPointerS32;
struct TableRow {
  int32_t begin;
  int32_t fde;
};

}  // namespace

std::optional<EhFrameHeader> ReadEhFrameHeader(std::span<const std::byte> bytes, ElfAddress address) {
  ByteReader reader(bytes);
  uint8_t version = 0;
  uint8_t frame_encoding = 0;
  uint8_t count_encoding = 0;
  EhFrameHeader header;
  if (!reader.Read(version) || version != kHeaderVersion) return std::nullopt;
  if (!reader.Read(frame_encoding) || !reader.Read(count_encoding) || !reader.Read(header.table_encoding)) {
    return std::nullopt;
  }
  const PointerBases bases{.pc = address.value(), .text = std::nullopt, .data = address.value()};
  if (frame_encoding == kPointerOmitted || !ReadPointer(reader, frame_encoding, bases, header.eh_frame)) {
    return std::nullopt;
  }
  if (count_encoding == kPointerOmitted || !ReadPointer(reader, count_encoding, bases, header.fde_count)) {
    header.table_encoding = kPointerOmitted;
  }
  header.table_offset = reader.position();
  return header;
}

bool FdeIndex::LoadTable(std::span<const std::byte> header_bytes, ElfAddress header_address,
                         const EhFrameHeader& header, const CfiSection& section, UnwindCounts& counts) {
  if (header.table_encoding != kSearchableTable || header.fde_count == 0) return false;
  const auto table = header_bytes.subspan(header.table_offset);
  if (header.fde_count > table.size() / sizeof(TableRow) || header.fde_count > kMaxFdes) return false;
  ByteReader reader(table);
  std::vector<Entry> entries;
  entries.reserve(header.fde_count);
  for (uint64_t i = 0; i < header.fde_count; ++i) {
    TableRow row{};
    if (!reader.Read(row)) return false;
    const uint64_t fde = header_address.value() + static_cast<uint64_t>(int64_t{row.fde}) - section.address().value();
    if (fde >= section.size()) return false;
    entries.push_back({.begin = header_address.value() + static_cast<uint64_t>(int64_t{row.begin}), .offset = fde});
  }
  entries_ = std::move(entries);
  counts.fdes += entries_.size();
  const auto key = [](const Entry& entry) { return std::tuple(entry.begin, entry.offset); };
  if (!std::ranges::is_sorted(entries_, {}, key)) std::ranges::sort(entries_, {}, key);
  from_table_ = true;
  return true;
}

void FdeIndex::Scan(const CfiSection& section, UnwindCounts& counts) {
  struct Found {
    uint64_t begin;
    uint64_t size;
    uint64_t offset;
  };
  std::vector<Found> found;
  CieCache cies(section);
  uint64_t offset = 0;
  while (const std::optional<CfiEntry> entry = section.EntryAt(offset)) {
    offset = entry->end;
    if (entry->is_cie) continue;
    const Cie* cie = cies.Get(entry->cie_offset, counts);
    if (cie == nullptr) continue;
    const std::optional<Fde> fde = section.ReadFde(*entry, *cie, counts);
    if (!fde) continue;
    if (found.size() == kMaxFdes) {
      counts.Count(UnwindIssue::kTooManyFdes);
      break;
    }
    found.push_back({.begin = fde->begin, .size = fde->size, .offset = entry->offset});
  }
  if (!section.EndsAt(offset)) counts.Count(UnwindIssue::kEntryCut);
  counts.fdes += found.size();

  const auto key = [](const Found& fde) { return std::tuple(fde.begin, fde.size, fde.offset); };
  if (!std::ranges::is_sorted(found, {}, key)) std::ranges::sort(found, {}, key);
  entries_.clear();
  entries_.reserve(found.size());
  for (const Found& fde : found) {
    if (!entries_.empty() && entries_.back().begin == fde.begin) {
      counts.Count(UnwindIssue::kDuplicateFde);
      entries_.pop_back();
    }
    entries_.push_back({.begin = fde.begin, .offset = fde.offset});
  }
  from_table_ = false;
}

size_t FdeIndex::FindAtOrBefore(uint64_t address) const {
  const auto behind = std::ranges::upper_bound(entries_, address, {}, &Entry::begin);
  return behind == entries_.begin() ? entries_.size() : static_cast<size_t>(behind - entries_.begin()) - 1;
}

}  // namespace kiln::symbolizer
