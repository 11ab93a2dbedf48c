// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/go/go_names.h"

#include <algorithm>
#include <utility>

namespace kiln::symbolizer {

GoNames::GoNames(const ElfFile& elf, GoPclntab table) : table_(std::move(table)), trees_(elf, table_) {}

StatusOr<GoNames> GoNames::Find(const ElfFile& elf) {
  KILN_ASSIGN_OR_RETURN(GoPclntab table, GoPclntab::Find(elf));
  return GoNames(elf, std::move(table));
}

// -1 where none holds. Takes what it goes through off the budget.
int32_t GoNames::ValueAt(const GoFunction& function, uint32_t values, ElfAddress address, size_t& budget) const {
  int32_t found = -1;
  if (values == 0) return found;
  // What is damaged behind the address doesn't matter, and before it nothing was found.
  (void)table_.VisitValues(function.extent, values, [&](ElfAddress end, int32_t value) {
    if (budget == 0) return false;
    --budget;
    if (address >= end) return true;
    found = value;
    return false;
  });
  return found;
}

// nullopt if it has no name.
std::optional<SourceLine> GoNames::MakeLine(const GoFunction& function, uint32_t name, int32_t start_line,
                                            ElfAddress address, size_t& budget) const {
  std::optional<std::string> text = table_.Name(name);
  if (!text || text->empty()) return std::nullopt;
  return SourceLine{.name = *std::move(text),
                    .file = table_.File(function.unit, ValueAt(function, function.files, address, budget)),
                    .line = std::max(ValueAt(function, function.lines, address, budget), 0),
                    .start_line = std::max(start_line, 0)};
}

// False if they are damaged.
bool GoNames::AddLines(const GoFunction& function, ElfAddress address, std::vector<SourceLine>& lines) const {
  size_t budget = kMaxGoLookupChanges;
  for (size_t depth = 0; depth < kMaxGoInlineDepth; ++depth) {
    const int32_t inlined = ValueAt(function, function.inlined, address, budget);
    const std::optional<GoInlineTrees::Call> call = trees_.Read(function, inlined);
    if (inlined >= 0 && !call) return false;
    std::optional<SourceLine> line = MakeLine(function, call ? call->name : function.name,
                                              call ? call->start_line : function.start_line, address, budget);
    if (!line || budget == 0) return false;
    lines.push_back(*std::move(line));
    if (!call) return true;
    address = ElfAddress(function.extent.begin.value() + call->caller_code);
  }
  return false;
}

Naming GoNames::Lookup(ElfAddress address) const {
  const size_t index = table_.IndexOf(address);
  if (index >= table_.size()) return MissOf(Miss::kNotCovered);
  const StatusOr<GoFunction> function = table_.Read(index);
  if (!function.ok()) return MissOf(Miss::kDamaged);
  if (address < function->extent.begin || address >= function->extent.end) return MissOf(Miss::kNotCovered);
  Naming naming;
  if (AddLines(*function, address, naming.lines)) return naming;
  std::optional<std::string> name = table_.Name(function->name);
  if (!name || name->empty()) return MissOf(Miss::kDamaged);
  naming.lines.clear();
  naming.lines.push_back({.name = *std::move(name), .start_line = std::max(function->start_line, 0)});
  return naming;
}

}  // namespace kiln::symbolizer
