// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dynamic_section.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <span>

namespace kiln::symbolizer {
namespace {

constexpr uint64_t kMaxDynamicBytes = 64 * 1024;
// Of one hash table. Real ones have a bucket for every few symbols.
constexpr uint64_t kMaxBuckets = 16 << 20;

struct Entries {
  uint64_t symbols = 0, names = 0, names_size = 0, hash = 0, gnu_hash = 0;
  uint64_t plt_relocations = 0, plt_relocations_size = 0, plt_relocation_kind = DT_RELA;
  uint64_t relocations = 0, relocations_size = 0;
};

Entries ReadEntries(const ElfFile& elf) {
  Entries entries;
  if (!elf.dynamic()) return entries;
  const ElfAddress at = elf.dynamic()->address;
  const uint64_t bytes = std::min({elf.dynamic()->size, elf.BytesFrom(at), kMaxDynamicBytes});
  std::vector<Elf64_Dyn> table(bytes / sizeof(Elf64_Dyn));
  if (!elf.ReadAddress(at, std::as_writable_bytes(std::span(table))).ok()) return entries;
  for (const Elf64_Dyn& entry : table) {
    switch (entry.d_tag) {
      case DT_NULL: return entries;
      case DT_SYMTAB: entries.symbols = entry.d_un.d_ptr; break;
      case DT_STRTAB: entries.names = entry.d_un.d_ptr; break;
      case DT_STRSZ: entries.names_size = entry.d_un.d_val; break;
      case DT_HASH: entries.hash = entry.d_un.d_ptr; break;
      case DT_GNU_HASH: entries.gnu_hash = entry.d_un.d_ptr; break;
      case DT_JMPREL: entries.plt_relocations = entry.d_un.d_ptr; break;
      case DT_PLTRELSZ: entries.plt_relocations_size = entry.d_un.d_val; break;
      case DT_PLTREL: entries.plt_relocation_kind = entry.d_un.d_val; break;
      case DT_RELA: entries.relocations = entry.d_un.d_ptr; break;
      case DT_RELASZ: entries.relocations_size = entry.d_un.d_val; break;
      default: break;
    }
  }
  return entries;
}

// The number of symbols by DT_HASH: its second word, as chains have an entry per symbol.
std::optional<uint64_t> CountByHash(const ElfFile& elf, uint64_t address) {
  std::array<uint32_t, 2> words{};
  if (address == 0 || !elf.ReadAddress(ElfAddress(address), std::as_writable_bytes(std::span(words))).ok()) {
    return std::nullopt;
  }
  return words[1];
}

// The same by DT_GNU_HASH, which does not say it: the last symbol is where the chain of the highest bucket ends.
// nullopt if it is empty: symbols that are only imported are not in it.
std::optional<uint64_t> CountByGnuHash(const ElfFile& elf, uint64_t address) {
  struct {
    uint32_t buckets, first_symbol, filter_words, filter_shift;
  } header{};
  constexpr size_t kBatch = 1024;
  std::array<uint32_t, kBatch> words{};
  const auto read = [&](uint64_t at, size_t count) {
    return elf.ReadAddress(ElfAddress(at), std::as_writable_bytes(std::span(words).first(count))).ok();
  };
  if (address == 0 || !elf.ReadAddress(ElfAddress(address), std::as_writable_bytes(std::span(&header, 1))).ok() ||
      header.buckets > kMaxBuckets) {
    return std::nullopt;
  }
  // No overflow: `address` is in a segment, whose end was checked, and what is added has less than 2^36.
  const uint64_t buckets = address + sizeof(header) + uint64_t{header.filter_words} * 8;
  uint32_t highest = 0;
  for (uint64_t done = 0; done < header.buckets;) {
    const size_t count = std::min<uint64_t>(kBatch, header.buckets - done);
    if (!read(buckets + done * 4, count)) return std::nullopt;
    highest = std::max(highest, *std::max_element(words.begin(), words.begin() + count));
    done += count;
  }
  if (highest < header.first_symbol) return std::nullopt;
  const uint64_t chains = buckets + uint64_t{header.buckets} * 4;
  for (uint64_t symbol = highest;;) {
    const uint64_t at = chains + (symbol - header.first_symbol) * 4;
    const size_t count = std::min<uint64_t>(kBatch, elf.BytesFrom(ElfAddress(at)) / 4);
    if (count == 0 || !read(at, count)) return std::nullopt;
    for (size_t i = 0; i < count; ++i) {
      if ((words[i] & 1) != 0) return symbol + i + 1;
    }
    symbol += count;
  }
}

// The first `size` bytes at `address` as a section; nullopt if they are not in the file.
std::optional<ElfFile::Section> SectionAt(const ElfFile& elf, uint64_t address, uint64_t size, uint32_t type,
                                          uint64_t entry_size) {
  const std::optional<FileOffset> offset = elf.ToFileOffset(ElfAddress(address));
  if (address == 0 || size == 0 || !offset || elf.BytesFrom(ElfAddress(address)) < size) return std::nullopt;
  return ElfFile::Section{.name = 0,
                          .type = type,
                          .flags = SHF_ALLOC,
                          .address = ElfAddress(address),
                          .offset = *offset,
                          .size = size,
                          .link = 0,
                          .info = 0,
                          .entry_size = entry_size,
                          .alignment = 1};
}

std::optional<SymbolSections> SymbolsOf(const ElfFile& elf, const Entries& entries) {
  if (entries.symbols == 0 || entries.names == 0) return std::nullopt;
  std::optional<uint64_t> count = CountByHash(elf, entries.hash);
  if (!count) count = CountByGnuHash(elf, entries.gnu_hash);
  // Linkers put the names right behind the symbols.
  if (!count && entries.names > entries.symbols) count = (entries.names - entries.symbols) / sizeof(Elf64_Sym);
  // Too large a count is cut at the end of the segment: each symbol is checked by itself.
  const uint64_t there = elf.BytesFrom(ElfAddress(entries.symbols)) / sizeof(Elf64_Sym);
  const auto symbols = SectionAt(elf, entries.symbols, std::min(count.value_or(0), there) * sizeof(Elf64_Sym),
                                 SHT_DYNSYM, sizeof(Elf64_Sym));
  const auto names = SectionAt(elf, entries.names, entries.names_size, SHT_STRTAB, 0);
  if (!symbols || !names) return std::nullopt;
  return SymbolSections{.symbols = *symbols, .names = *names};
}

}  // namespace

DynamicSection ReadDynamicSection(const ElfFile& elf) {
  const Entries entries = ReadEntries(elf);
  DynamicSection section;
  section.symbols = SymbolsOf(elf, entries);
  const auto add = [&](uint64_t address, uint64_t size) {
    const auto found = SectionAt(elf, address, size, SHT_RELA, sizeof(Elf64_Rela));
    if (found) section.relocations.push_back(*found);
  };
  if (entries.plt_relocation_kind == DT_RELA) add(entries.plt_relocations, entries.plt_relocations_size);
  add(entries.relocations, entries.relocations_size);
  return section;
}

}  // namespace kiln::symbolizer
