// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/object_names.h"

#include <elf.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "symbolizer/code_namer.h"
#include "symbolizer/debug_files.h"
#include "symbolizer/plt_symbols.h"
#include "symbolizer/symbol_table.h"

namespace kiln::agent {

using symbolizer::CodeNamer;
using symbolizer::GoNames;
using symbolizer::Miss;
using symbolizer::NameSources;
using symbolizer::Naming;
using symbolizer::SourceLine;
using symbolizer::SymbolTable;

namespace {

// Those whose name may be that of a symbol: reading symbols takes far longer than looking into an index.
std::vector<uint64_t> AddressesWithoutFunction(const symbolizer::LineIndex* index, std::vector<uint64_t> addresses) {
  if (index == nullptr) return addresses;
  std::vector<symbolizer::LineIndex::Line> lines;
  std::erase_if(addresses, [&](uint64_t address) {
    index->Lookup(ElfAddress(address), lines);
    return !lines.empty() && !lines.back().function.empty();
  });
  return addresses;
}

// The symbols at `addresses`, of as few files as will do: this runs for each window's new addresses.
StatusOr<SymbolTable> ReadSymbols(const ObjectFile& file, std::span<const uint64_t> addresses,
                                  const std::vector<std::string>& debug_folders) {
  const symbolizer::ElfFile& elf = *file.elf;
  symbolizer::DebugFiles debug;
  if (elf.FindSectionOfType(SHT_SYMTAB) == nullptr) {
    debug = symbolizer::FindDebugFiles(elf, {.path = file.path,
                                             .roots = {fmt::format("/proc/{}/root", file.seen_in.value), "/"},
                                             .debug_folders = debug_folders});
  }
  const std::vector<const symbolizer::ElfFile*> files = debug.SymbolFilesOf(elf);
  StatusOr<SymbolTable> symbols = SymbolTable::ReadFor({.files = files}, addresses);
  if (!symbols.ok()) return symbols;
  // Stubs are found by decoding them all.
  const auto is_unnamed = [&](uint64_t address) { return symbols->LookupRaw(ElfAddress(address)).empty(); };
  if (std::ranges::none_of(addresses, is_unnamed)) return symbols;
  const std::vector<symbolizer::PltStub> stubs = symbolizer::ReadPltStubs(elf);
  if (stubs.empty()) return symbols;
  return SymbolTable::ReadFor({.files = files, .stubs = stubs}, addresses);
}

}  // namespace

ObjectNames::Found ObjectNames::Find(const ObjectFile& file, ElfAddress address) {
  if (!file.elf) return {.lines = {}, .miss = file.miss};  // and not kept: the file may be found later
  auto known = addresses_.find(address.value());
  if (known == addresses_.end()) {
    Prepare(file, {address.value()}, index_);
    known = addresses_.find(address.value());
  }
  Found found{.lines = {}, .miss = known->second.miss};
  for (uint32_t i = 0; i < known->second.count; ++i) found.lines.push_back(&lines_[places_[known->second.first + i]]);
  return found;
}

void ObjectNames::Prepare(const ObjectFile& file, std::vector<uint64_t> addresses,
                          std::shared_ptr<const symbolizer::LineIndex> index,
                          const std::vector<std::string>& debug_folders) {
  if (!file.elf) return;
  if (index != nullptr && index_ == nullptr) {
    *this = ObjectNames();
    index_ = std::move(index);
  }
  std::erase_if(addresses, [this](uint64_t address) { return addresses_.contains(address); });
  if (addresses.empty()) return;
  std::ranges::sort(addresses);
  const auto doubles = std::ranges::unique(addresses);
  addresses.erase(doubles.begin(), doubles.end());

  if (!is_not_go_) TakeFromGo(file, addresses);
  if (addresses.empty()) return;
  const std::vector<uint64_t> without = AddressesWithoutFunction(index_.get(), addresses);
  NameSources sources{.lines = index_.get()};
  std::optional<StatusOr<SymbolTable>> symbols;
  if (!without.empty()) {
    symbols = ReadSymbols(file, without, debug_folders);
    if (symbols->ok()) sources.symbols = &**symbols;
    sources.symbols_miss = symbolizer::MissFromStatus(symbols->status());
  }
  CodeNamer namer(sources);
  for (const uint64_t address : addresses) addresses_[address] = Remember(namer.Copy(ElfAddress(address)));
}

// Names what Go's own table knows, and takes it out of `addresses`.
void ObjectNames::TakeFromGo(const ObjectFile& file, std::vector<uint64_t>& addresses) {
  const StatusOr<GoNames> go = GoNames::Find(*file.elf);
  is_not_go_ = !go.ok();
  if (is_not_go_) return;
  std::erase_if(addresses, [&](uint64_t address) {
    Naming naming = go->Lookup(ElfAddress(address));
    if (naming.lines.empty()) return false;
    addresses_[address] = Remember(std::move(naming));
    return true;
  });
}

ObjectNames::Known ObjectNames::Remember(Naming naming) {
  Known known{.first = static_cast<uint32_t>(places_.size()), .count = 0, .miss = naming.miss};
  for (SourceLine& line : naming.lines) {
    if (known.count == std::numeric_limits<uint16_t>::max()) break;
    places_.push_back(Intern(std::move(line)));
    ++known.count;
  }
  return known;
}

uint32_t ObjectNames::Intern(SourceLine line) {
  if (const auto found = known_lines_.find(&line); found != known_lines_.end()) return found->second;
  const auto index = static_cast<uint32_t>(lines_.size());
  const SourceLine& kept = lines_.emplace_back(std::move(line));
  known_lines_.emplace(&kept, index);
  bytes_ += sizeof(kept) + kept.name.capacity() + kept.system_name.capacity() + kept.file.capacity() + sizeof(&kept) +
            sizeof(index) + 1;
  return index;
}

}  // namespace kiln::agent
