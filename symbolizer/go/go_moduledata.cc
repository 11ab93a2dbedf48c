// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/go/go_moduledata.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "symbolizer/relative_relocations.h"

namespace kiln::symbolizer {
namespace {

constexpr uint64_t kPieceBytes = 256 * 1024;
constexpr uint64_t kMaxSearchedBytes = uint64_t{1} << 30;
// Places that relocations fill with the header's address. The runtime has one.
constexpr size_t kMaxPlaces = 4;
// Where linkers put it: in .go.module since Go 1.26, in .noptrdata or .data before; those of other linkers.
constexpr std::string_view kSections[] = {".go.module", ".noptrdata", ".data", ".data.rel.ro", ".data.rel"};

using Words = std::array<uint64_t, GoModuledata::kWords>;

bool IsModule(const Words& words, const GoModuledata::Table& table) {
  return words[0] == table.header.value() && words[1] == table.names.value() && words[10] == table.values.value() &&
         words[13] == table.functions.value() && words[16] == table.functions.value();
}

// As many words as there are; the rest is 0.
Words ReadWords(const ElfFile& elf, ElfAddress address) {
  Words words{};
  const size_t count = std::min<uint64_t>(words.size(), elf.BytesFrom(address) / sizeof(words[0]));
  if (!elf.ReadAddress(address, std::as_writable_bytes(std::span(words).first(count))).ok()) words.fill(0);
  return words;
}

class Search {
 public:
  Search(const ElfFile& elf, const GoModuledata::Table& table) : elf_(elf), table_(table) {}

  std::optional<Words> Run() {
    for (const std::string_view name : kSections) {
      const ElfFile::Section* section = elf_.FindSection(name);
      if (section == nullptr || section->type == SHT_NOBITS) continue;
      if (InRange(section->address, section->size)) return found_;
    }
    if (InRelocations()) return found_;
    // The data comes last.
    for (auto segment = elf_.segments().rbegin(); segment != elf_.segments().rend(); ++segment) {
      if (!segment->executable && InRange(segment->address, segment->file_size)) return found_;
    }
    return std::nullopt;
  }

 private:
  bool InRange(ElfAddress start, uint64_t size) {
    const uint64_t wanted = table_.header.value();
    std::vector<std::byte> piece;
    const uint64_t begin = (start.value() + 7) / 8 * 8;
    const uint64_t bytes = std::min({size, elf_.BytesFrom(ElfAddress(begin)), budget_});
    budget_ -= bytes;
    for (uint64_t at = 0; at < bytes; at += kPieceBytes) {
      piece.resize(std::min(bytes - at, kPieceBytes));
      if (!elf_.ReadAddress(ElfAddress(begin + at), piece).ok()) return false;
      for (size_t i = 0; i + sizeof(wanted) <= piece.size(); i += sizeof(wanted)) {
        if (std::memcmp(piece.data() + i, &wanted, sizeof(wanted)) != 0) continue;
        found_ = ReadWords(elf_, ElfAddress(begin + at + i));
        if (IsModule(found_, table_)) return true;
      }
    }
    return false;
  }

  bool InRelocations() {
    std::vector<ElfAddress> places;
    VisitRelativeRelocations(elf_, [&](ElfAddress place, ElfAddress value) {
      if (value == table_.header) places.push_back(place);
      return places.size() < kMaxPlaces;
    });
    return std::ranges::any_of(places, [&](ElfAddress start) {
      found_ = ReadWords(elf_, start);
      VisitRelativeRelocations(elf_, [&](ElfAddress place, ElfAddress value) {
        const uint64_t offset = place.value() - start.value();
        if (place >= start && offset < sizeof(found_) && offset % 8 == 0) found_[offset / 8] = value.value();
        return true;
      });
      return IsModule(found_, table_);
    });
  }

  const ElfFile& elf_;
  const GoModuledata::Table& table_;
  uint64_t budget_ = kMaxSearchedBytes;
  Words found_{};
};

}  // namespace

std::optional<GoModuledata> GoModuledata::Find(const ElfFile& elf, const Table& table) {
  const std::optional<Words> words = Search(elf, table).Run();
  if (!words) return std::nullopt;
  GoModuledata module;
  module.words_ = *words;
  return module;
}

}  // namespace kiln::symbolizer
