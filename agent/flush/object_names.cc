// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/object_names.h"

#include <algorithm>

#include "symbolizer/symbol_table.h"

namespace kiln::agent {

using symbolizer::Miss;
using symbolizer::SymbolTable;

ObjectNames::Found ObjectNames::Find(const ObjectFile& file, ElfAddress address) {
  if (!file.elf) return {.line = nullptr, .miss = file.miss};  // and not kept: the file may be found later
  auto known = addresses_.find(address.value());
  if (known == addresses_.end()) {
    Prepare(file, {address.value()});
    known = addresses_.find(address.value());
  }
  const auto [line, miss] = known->second;
  return {.line = line == kNone ? nullptr : &lines_[line], .miss = miss};
}

void ObjectNames::Prepare(const ObjectFile& file, std::vector<uint64_t> addresses) {
  if (!file.elf) return;
  std::erase_if(addresses, [this](uint64_t address) { return addresses_.contains(address); });
  if (addresses.empty()) return;
  std::ranges::sort(addresses);
  const auto doubles = std::ranges::unique(addresses);
  addresses.erase(doubles.begin(), doubles.end());
  StatusOr<SymbolTable> table = absl::UnknownError("not read");
  if (file_miss_ == Miss::kNone) {
    table = SymbolTable::ReadFor(*file.elf, addresses);
    if (!table.ok()) file_miss_ = symbolizer::MissFromStatus(table.status());
  }
  for (const uint64_t address : addresses) {
    Known& known = addresses_[address] = {.line = kNone, .miss = file_miss_};
    if (file_miss_ != Miss::kNone) continue;
    if (const std::string_view symbol = table->LookupRaw(ElfAddress(address)); !symbol.empty()) {
      known.line = LineOf(symbol);
    } else {
      known.miss = table->Lookup(ElfAddress(address)).miss;
    }
  }
}

uint32_t ObjectNames::LineOf(std::string_view symbol) {
  if (const auto found = line_of_symbol_.find(symbol); found != line_of_symbol_.end()) return found->second;
  const auto index = static_cast<uint32_t>(lines_.size());
  const auto& line = lines_.emplace_back(symbolizer::NamingOf(symbol).lines.front());
  const auto entry = line_of_symbol_.emplace(line.system_name.empty() ? line.name : line.system_name, index);
  bytes_ += sizeof(line) + line.name.capacity() + line.system_name.capacity() + sizeof(*entry.first);
  return index;
}

}  // namespace kiln::agent
