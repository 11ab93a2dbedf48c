// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/object_names.h"

namespace kiln::agent {

using symbolizer::Miss;

ObjectNames::Found ObjectNames::Find(const ObjectFile& file, ElfAddress address) {
  const auto [entry, added] = addresses_.try_emplace(address.value(), Known{.line = kNone, .miss = Miss::kNone});
  Known& known = entry->second;
  if (!added) return {.line = known.line == kNone ? nullptr : &lines_[known.line], .miss = known.miss};
  if (!file.elf) {
    known.miss = file.miss;
    addresses_.erase(entry);  // the file may be found later
    return {.line = nullptr, .miss = file.miss};
  }
  if (table_ == nullptr && table_miss_ == Miss::kNone) {
    if (auto table = symbolizer::SymbolTable::Read(*file.elf); table.ok()) {
      table_ = std::make_unique<const symbolizer::SymbolTable>(*std::move(table));
    } else {
      table_miss_ = symbolizer::MissFromStatus(table.status());
    }
  }
  if (table_ == nullptr) {
    known.miss = table_miss_;
    return {.line = nullptr, .miss = known.miss};
  }
  const std::string_view symbol = table_->LookupRaw(address);
  if (symbol.empty()) {
    known.miss = table_->Lookup(address).miss;
    return {.line = nullptr, .miss = known.miss};
  }
  const auto [line, is_new] = line_of_symbol_.try_emplace(symbol, static_cast<uint32_t>(lines_.size()));
  if (is_new) {
    const auto& named = lines_.emplace_back(symbolizer::NamingOf(symbol).lines.front());
    bytes_ += sizeof(named) + named.name.capacity() + named.system_name.capacity() + sizeof(*line);
  }
  known.line = line->second;
  return {.line = &lines_[known.line], .miss = Miss::kNone};
}

void ObjectNames::DropTable() {
  table_.reset();
  line_of_symbol_.clear();  // its keys were the table's
}

}  // namespace kiln::agent
