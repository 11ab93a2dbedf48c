// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/cfi_loader.h"

#include <elf.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln::symbolizer {
namespace {

std::optional<uint64_t> SectionAddress(const ElfFile& elf, std::string_view name) {
  const ElfFile::Section* section = elf.FindSection(name);
  return section == nullptr ? std::nullopt : std::optional(section->address.value());
}

// The section `name`, nullptr if there is none with content.
std::unique_ptr<const CfiSection> ReadSection(const ElfFile& elf, CfiSection::Kind kind, std::string_view name,
                                              UnwindCounts& counts) {
  const ElfFile::Section* section = elf.FindSection(name);
  if (section == nullptr || section->type == SHT_NOBITS || section->size == 0) return nullptr;
  StatusOr<std::vector<std::byte>> bytes = elf.ReadSection(*section, kMaxCfiBytes);
  if (!bytes.ok()) {
    counts.Count(UnwindIssue::kSectionUnreadable);
    return nullptr;
  }
  const PointerBases bases{.text = SectionAddress(elf, ".text"), .data = SectionAddress(elf, ".got")};
  return std::make_unique<CfiSection>(kind, *std::move(bytes), section->address, bases);
}

// What a process has from `address` on, up to `limit` bytes of the segment. Empty if that can't be read.
std::vector<std::byte> ReadFrom(const ElfFile& elf, ElfAddress address, uint64_t limit) {
  std::vector<std::byte> bytes(std::min(elf.BytesFrom(address), limit));
  if (!elf.ReadAddress(address, bytes).ok()) bytes.clear();
  return bytes;
}

// .eh_frame_hdr with its whole table.
struct HeaderBytes {
  std::vector<std::byte> bytes;
  std::optional<EhFrameHeader> header;
};

HeaderBytes ReadHeader(const ElfFile& elf, ElfAddress address) {
  constexpr uint64_t kMaxFixedBytes = 64;
  constexpr uint64_t kTableRowBytes = 8;
  HeaderBytes result;
  result.bytes = ReadFrom(elf, address, kMaxFixedBytes);
  result.header = ReadEhFrameHeader(result.bytes, address);
  if (result.header && result.header->fde_count <= kMaxFdes) {
    result.bytes = ReadFrom(elf, address, result.header->table_offset + result.header->fde_count * kTableRowBytes);
    // The file may have changed in between.
    result.header = ReadEhFrameHeader(result.bytes, address);
  }
  return result;
}

}  // namespace

std::unique_ptr<CfiRows> LoadEhFrame(const ElfFile& elf, const ElfFile& code, const UnwindMachine& machine,
                                     UnwindCounts& counts) {
  // A debug file keeps the headers of what it left out; what they lead to is something else.
  const ElfFile::Section* named = elf.FindSection(".eh_frame");
  if (named != nullptr && named->type == SHT_NOBITS) return nullptr;
  std::unique_ptr<const CfiSection> section = ReadSection(elf, CfiSection::Kind::kEhFrame, ".eh_frame", counts);
  HeaderBytes found;
  if (elf.eh_frame_header()) found = ReadHeader(elf, *elf.eh_frame_header());
  if (section == nullptr && found.header) {
    const ElfAddress address(found.header->eh_frame);
    std::vector<std::byte> bytes = ReadFrom(elf, address, kMaxCfiBytes);
    if (bytes.empty()) counts.Count(UnwindIssue::kSectionUnreadable);
    section = std::make_unique<CfiSection>(CfiSection::Kind::kEhFrame, std::move(bytes), address, PointerBases{});
  }
  if (section == nullptr || section->size() == 0) return nullptr;
  FdeIndex index;
  if (!found.header || !index.LoadTable(found.bytes, *elf.eh_frame_header(), *found.header, *section, counts)) {
    if (elf.eh_frame_header()) counts.Count(UnwindIssue::kHeaderUnusable);
    index.Scan(*section, counts);
  }
  return std::make_unique<CfiRows>(machine, code, std::move(section), std::move(index), counts);
}

std::unique_ptr<CfiRows> LoadDebugFrame(const ElfFile& elf, const ElfFile& code, const UnwindMachine& machine,
                                        UnwindCounts& counts) {
  std::unique_ptr<const CfiSection> section = ReadSection(elf, CfiSection::Kind::kDebugFrame, ".debug_frame", counts);
  if (section == nullptr) return nullptr;
  FdeIndex index;
  index.Scan(*section, counts);
  return std::make_unique<CfiRows>(machine, code, std::move(section), std::move(index), counts);
}

}  // namespace kiln::symbolizer
